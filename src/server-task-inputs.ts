/**
 * Inputs of the prediction log as lines of predict bodies, the form in which the optimizer reads rows. Part of the composition root, called
 * when a task is accepted: what clients sent until then is what the task is about, however long it waits.
 */
import { recordedInputs } from './core/cache-warming/frequent-inputs.ts';
import { invalidInput } from './core/errors.ts';
import { decodeNamedTensors } from './core/predictions/named-tensors.ts';
import { elementCount, type NamedTensor, type Tensor } from './core/tensor.ts';
import type { FrequentInput, PredictionStore } from './ports/prediction-store.ts';
import { fromFloat16Bits } from './protocols/codecs/float16.ts';

export interface LogQuestion {
  readonly model: string;
  readonly version: string;
  readonly hours: number;
  /** Most inputs. */
  readonly top: number;
  readonly unixMs: number;
  /** Rows of one request may be taken apart: every input has them along its first axis. */
  readonly joinable: boolean;
}

const hourMs = 3_600_000;

/** Each is made when it is asked for. @throws INVALID_INPUT when there is no log, or nothing in it. */
export async function readLogLines(
  store: Pick<PredictionStore, 'frequentInputs' | 'list'> | undefined,
  { model, version, hours, top, unixMs, joinable }: LogQuestion,
): Promise<Iterable<string>> {
  if (store === undefined) {
    throw invalidInput('hours', 'hours: the server keeps no log of predictions; turn on predictionLog.', 'no hours');
  }
  const fromMs = Math.floor(unixMs - hours * hourMs);
  const found = await recordedInputs(store, { model, version, fromMs, limit: top });
  if (found.length > 0) return linesOf(found, joinable);
  const message = `hours: no inputs of ${JSON.stringify(model)} were recorded in the last ${hours} hours.`;
  throw invalidInput('hours', message, 'a time in which the model was asked');
}

function* linesOf(found: readonly FrequentInput[], joinable: boolean): Generator<string> {
  for (const { inputs } of found) {
    const tensors = decodeNamedTensors(inputs);
    // What another version wrote, and what no file of rows may hold.
    if (tensors === undefined || !tensors.every(isUsable)) continue;
    for (const row of joinable ? rowsOf(tensors) : [tensors]) yield lineOf(row);
  }
}

function isUsable({ data, shape }: NamedTensor): boolean {
  if (elementCount(shape) <= 0) return false;
  if (data instanceof Float32Array || data instanceof Float64Array) return data.every(Number.isFinite);
  return true;
}

/** One line per row: a line with several could not be mixed with others where a model has several inputs. */
function rowsOf(tensors: readonly NamedTensor[]): readonly (readonly NamedTensor[])[] {
  const rows = tensors[0]?.shape[0];
  if (rows === undefined || rows < 2 || tensors.some(({ shape }) => shape[0] !== rows)) return [tensors];
  return Array.from({ length: rows }, (_, row) => tensors.map((tensor) => sliceRow(tensor, row)));
}

function sliceRow({ name, datatype, shape, data }: NamedTensor, row: number): NamedTensor {
  const size = data.length / shape[0]!;
  const part = data.slice(row * size, (row + 1) * size) as Tensor['data'];
  return { name, datatype, shape: [1, ...shape.slice(1)], data: part };
}

function lineOf(tensors: readonly NamedTensor[]): string {
  const inputs = tensors.map(({ name, shape, ...tensor }) => [name, { shape, data: plainValues(tensor) }]);
  return JSON.stringify({ inputs: Object.fromEntries(inputs) });
}

function plainValues({ datatype, data }: Omit<Tensor, 'shape'>): readonly (number | string)[] {
  if (Array.isArray(data)) return data;
  if (datatype === 'float16') return Array.from(data as Uint16Array, fromFloat16Bits);
  return Array.from(data as Iterable<number | bigint>, Number);
}
