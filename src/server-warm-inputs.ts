/**
 * Where the inputs of a warm-up come from: a file of predict bodies in the model's folder, and the prediction log. Part of the
 * composition root, used by server-cache.ts: a line is read exactly as the native REST API reads a body.
 */

import type { WarmItem } from './core/cache-warming/cache-warmer.ts';
import { frequentInputs } from './core/cache-warming/frequent-inputs.ts';
import type { WarmInputs } from './core/cache-warming/warm-ups.ts';
import { HotpathError, invalidInput } from './core/errors.ts';
import type { InferCall } from './core/types.ts';
import type { CacheWarmConfig } from './ports/cache-config.ts';
import type { ModelSource } from './ports/model-source.ts';
import type { PredictionStore } from './ports/prediction-store.ts';
import { readJson } from './protocols/codecs/read-json.ts';
import { readPredictBody } from './protocols/rest/predict-body.ts';
import { type CallLimits, PredictCall } from './protocols/rest/predict-call.ts';

export interface WarmInputsDeps {
  readonly source: Pick<ModelSource, 'readFile'>;
  /** Undefined: predictions are not logged. */
  readonly predictions: () => Promise<Pick<PredictionStore, 'frequentInputs' | 'list'> | undefined>;
  /** Unix milliseconds. */
  readonly unixMs: () => number;
  readonly limits: CallLimits & { readonly maxJsonBytes: number };
}

export interface WarmTarget {
  readonly model: string;
  /** A version, no label. */
  readonly version: string;
}

const hourMs = 3_600_000;
const defaultTop = 1000;
const newline = 0x0a;

/** The file's first, then those of the log. @throws INVALID_INPUT naming `file` or `hours`. */
export async function readWarmInputs(
  deps: WarmInputsDeps,
  target: WarmTarget,
  { file, hours, top }: CacheWarmConfig,
): Promise<WarmInputs> {
  const fromFile = file === undefined ? noInputs : limited(await readLines(deps, target, file), top);
  const fromLog = hours === undefined ? [] : await readLog(deps, target, hours, top ?? defaultTop);
  return { total: fromFile.total + fromLog.length, items: joined(fromFile.items, fromLog) };
}

const noInputs: WarmInputs = { items: [], total: 0 };

async function readLog(
  { predictions, unixMs }: WarmInputsDeps,
  target: WarmTarget,
  hours: number,
  limit: number,
): Promise<readonly WarmItem[]> {
  const store = await predictions();
  if (store === undefined) {
    throw invalidInput('hours', 'hours: the server keeps no log of predictions; turn on predictionLog.', 'no hours');
  }
  return frequentInputs(store, { ...target, fromMs: Math.floor(unixMs() - hours * hourMs), limit });
}

async function readLines(deps: WarmInputsDeps, target: WarmTarget, file: string): Promise<WarmInputs> {
  const bytes = await readModelFile(deps, target.model, file);
  return { total: countLines(bytes), items: itemsOf(deps, target, bytes) };
}

async function readModelFile({ source }: WarmInputsDeps, model: string, file: string): Promise<Buffer> {
  if (file.startsWith('/') || file.split(/[/\\]/).includes('..')) {
    throw invalidInput('file', 'file: expected a path inside the model’s folder', 'a path inside the model’s folder');
  }
  try {
    const bytes = await source.readFile(model, file);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  } catch (error) {
    if (!(error instanceof HotpathError)) throw error;
    throw invalidInput('file', `file: ${error.message}`, 'a file in the model’s folder');
  }
}

function* itemsOf(deps: WarmInputsDeps, target: WarmTarget, bytes: Buffer): Generator<WarmItem> {
  let number = 0;
  for (const line of linesOf(bytes)) {
    number++;
    if (isBlank(line)) continue;
    yield { name: `line ${number}`, makeCall: () => readLine(deps, target, line) };
  }
}

/** @throws INVALID_INPUT, PAYLOAD_TOO_LARGE. */
function readLine({ limits }: WarmInputsDeps, { model, version }: WarmTarget, line: Buffer): InferCall {
  if (line.length > limits.maxJsonBytes) {
    throw new HotpathError('PAYLOAD_TOO_LARGE', `The line has more than ${limits.maxJsonBytes} bytes.`);
  }
  const value = readJson(line, limits.maxJsonDepth);
  const body = readPredictBody(value, ['features', 'instances', 'inputs'], limits.maxInputs);
  if (body.model !== undefined && body.model !== model) {
    throw invalidInput('model', `model: expected ${JSON.stringify(model)} or nothing.`, model);
  }
  body.model = model;
  body.version = version;
  return new PredictCall(body, undefined, limits);
}

/** Views, without their ends; a byte order mark is left out. */
function* linesOf(bytes: Buffer): Generator<Buffer> {
  let start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  while (start < bytes.length) {
    const found = bytes.indexOf(newline, start);
    const end = found < 0 ? bytes.length : found;
    yield bytes.subarray(start, end);
    start = end + 1;
  }
}

function countLines(bytes: Buffer): number {
  let count = 0;
  for (const line of linesOf(bytes)) if (!isBlank(line)) count++;
  return count;
}

/** Blanks, tabs and the carriage returns of Windows. */
function isBlank(line: Buffer): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}

function limited({ items, total }: WarmInputs, top: number | undefined): WarmInputs {
  if (top === undefined || top >= total) return { items, total };
  return { items: first(items, top), total: top };
}

function* first(items: Iterable<WarmItem>, count: number): Generator<WarmItem> {
  let taken = 0;
  for (const item of items) {
    yield item;
    if (++taken === count) return;
  }
}

function* joined(...parts: readonly Iterable<WarmItem>[]): Generator<WarmItem> {
  for (const part of parts) yield* part;
}
