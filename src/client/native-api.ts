/**
 * The words of the native REST API, as docs/guides/rest-api.md has them: predictions, batches, models. Types, and the little that
 * turns options into a request. Called by client.ts.
 */

import type { Signature } from '../core/tensor.ts';
import type { InferTiming, ModelState, Priority } from '../core/types.ts';
import { wrongAnswer } from './client-error.ts';
import type { CallOptions, HttpAnswer, HttpRequest } from './http-exchange.ts';

export interface PredictOptions<Name extends string = string> extends CallOptions {
  /** @default the server's default model */
  readonly model?: Name;
  /** A version number or a label. @default the newest */
  readonly version?: string;
  /** 0 is the most important. @default 0 */
  readonly priority?: Priority;
  /** `off` runs the request alone. */
  readonly batching?: 'off';
}

/** A number, or lists of them for a model that answers more than one; class names and strings where the model has such. */
export type PredictedValue = number | string | boolean | null | readonly PredictedValue[];

interface PredictionMeta {
  readonly model: string;
  readonly version: string;
  readonly timing: InferTiming;
}

export interface Prediction extends PredictionMeta {
  /** Whole numbers beyond 2^53 are rounded here; `infer` keeps every digit. */
  readonly prediction: PredictedValue;
  readonly probabilities?: readonly number[];
  readonly label?: string;
}

export interface Predictions extends PredictionMeta {
  /** One per row. */
  readonly predictions: readonly PredictedValue[];
  readonly probabilities?: readonly (readonly number[])[];
  readonly labels?: readonly (string | null)[];
  readonly count: number;
}

/** What the server tells of one version of a model; `loaded` once it is ready. */
export interface ModelInfo {
  readonly name: string;
  readonly version: string;
  readonly state: ModelState;
  readonly reason?: string;
  readonly labels: readonly string[];
  readonly digest?: string;
  readonly loaded?: {
    readonly signature: Signature;
    readonly executionProvider: string;
    readonly [more: string]: unknown;
  };
}

export interface ModelList {
  readonly defaultModel: string | null;
  readonly models: readonly ModelInfo[];
}

const decoder = new TextDecoder();

/** `{model?, version?, <field>: rows, options?}`; the deadline goes into a header. */
export function predictRequest(
  path: string,
  field: 'features' | 'instances',
  rows: unknown,
  options: PredictOptions,
  leftMs: number | undefined,
): HttpRequest {
  const { model, version, priority, batching } = options;
  const wishes = { priority, batching };
  const asksFor = priority !== undefined || batching !== undefined;
  const body = JSON.stringify({ model, version, [field]: rows, ...(asksFor && { options: wishes }) }, writeBigInt);
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (leftMs !== undefined) headers['x-timeout-ms'] = headerMs(leftMs);
  return { method: 'POST', path, body, headers };
}

/** 64-bit integers that a number cannot hold go as decimal text. */
function writeBigInt(_key: string, value: unknown): unknown {
  if (typeof value !== 'bigint') return value;
  return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
}

/** The header takes up to an hour, and no exponents. */
function headerMs(leftMs: number): string {
  return Math.min(3_600_000, Math.max(1, leftMs)).toFixed(3);
}

/** @throws INVALID_RESPONSE. */
export function jsonOf<T>({ bytes, status }: HttpAnswer): T {
  try {
    return JSON.parse(decoder.decode(bytes)) as T;
  } catch (cause) {
    throw wrongAnswer('The server answered no JSON.', { status, cause });
  }
}
