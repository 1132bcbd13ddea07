/**
 * A prediction between its answer and the store: cheap to make, because most of the record is made when its batch is written.
 * Made by the recorder; the writer owns it until it is stored, dropped or lost.
 */
import type { PredictionRecord } from '../../ports/prediction-store.ts';
import type { ModelView } from '../types.ts';

/** 16 bytes that are equal for equal bytes and, for all practical purposes, different for different ones. */
export type Digest = (bytes: Uint8Array) => Uint8Array;

export interface PendingPrediction {
  readonly id: string;
  readonly createdMs: number;
  readonly model: ModelView;
  readonly status: string;
  readonly caller: string;
  readonly rows: number;
  readonly durationMs: number;
  readonly cache: string;
  /** As in the record. */
  readonly inputs: Uint8Array | undefined;
  readonly outputs: Uint8Array | undefined;
  /** Tells the request that holds its answer back whether the record is durable. */
  settle: ((stored: boolean) => void) | undefined;
}

const noKey = new Uint8Array(0);

export function toRecord(pending: PendingPrediction, digest: Digest): PredictionRecord {
  const { id, createdMs, model, status, caller, rows, durationMs, cache, inputs, outputs } = pending;
  return {
    id,
    createdMs,
    model: model.name,
    version: model.version,
    status,
    caller,
    rows,
    durationMs,
    cache,
    inputKey: inputs === undefined ? noKey : digest(inputs),
    inputs,
    outputs,
  };
}

/** Bytes of tensors it holds in memory. */
export function heldBytes({ inputs, outputs }: PendingPrediction): number {
  return (inputs?.byteLength ?? 0) + (outputs?.byteLength ?? 0);
}
