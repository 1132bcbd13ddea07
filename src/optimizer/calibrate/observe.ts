/**
 * Runs a model over a data set and shows the values inside it, a few rows at a time. Called by calibration and by passes that
 * need inner values (SmoothQuant). The graph itself is not changed: a copy gets the values as further outputs. Memory is
 * bounded by the budget for one run, whatever the number of rows.
 */
import { HotpathError, invalidInput } from '../../core/errors.ts';
import type { Tensor } from '../../core/tensor.ts';
import { tensorBytes } from '../../core/tensor.ts';
import { smallFloatTable } from '../../onnx-file/small-floats.ts';
import type { Graph } from '../graph/graph.ts';
import { openGraph } from '../graph/open-graph.ts';
import type { Dataset, Feeds, ModelRunner, OpenModel } from '../pass.ts';
import { firstNotFinite } from '../quantize/affine.ts';

export interface ObserveOptions {
  readonly runner: ModelRunner;
  readonly data: Dataset;
  /** Names of values in the graph; inputs and outputs may be among them. */
  readonly values: readonly string[];
  readonly signal?: AbortSignal | undefined;
  /** Rows done, of all. */
  readonly onProgress?: ((done: number, rows: number) => void) | undefined;
  /** What all observed values of one run may take together. @default 128 MiB */
  readonly budgetBytes?: number | undefined;
  /** At most, also where the budget allows more. @default 32 */
  readonly maxRowsPerRun?: number | undefined;
}

/** `data` is only valid during the call. */
export type Visit = (value: string, data: Float32Array, shape: readonly number[]) => void;

/**
 * @returns how many rows the model saw: fewer than given where it takes a fixed number at a time
 * @throws INVALID_INPUT: no rows, a name that the graph has not, NaN or infinity in a value (with its name); CANCELLED;
 * MODEL_FAILED and ENGINE_FAILED of the runtime
 */
export async function observe(graph: Graph, options: ObserveOptions, visit: Visit): Promise<number> {
  const { data, values } = options;
  if (data.rows < 1) throw invalidInput('data', 'Calibration needs at least one row of data; there is none.');
  const model = await openGraph(observedCopy(graph, values), options.runner);
  try {
    return await observeRows(model, fixedRows(model), options, visit);
  } finally {
    await model.close();
  }
}

function observedCopy(graph: Graph, values: readonly string[]): Graph {
  const copy = graph.clone();
  for (const value of values) {
    if (!copy.isGraphInput(value) && !copy.isGraphOutput(value)) copy.addUntypedOutput(value);
  }
  return copy;
}

/** A model exported for one batch size takes no other. */
function fixedRows(model: OpenModel): number | undefined {
  const dims = model.inputs.filter(({ shape }) => shape.length > 0).map(({ shape }) => shape[0]!);
  const [first] = dims;
  return first !== undefined && first > 0 && dims.every((dim) => dim === first) ? first : undefined;
}

async function observeRows(
  model: OpenModel,
  fixed: number | undefined,
  options: ObserveOptions,
  visit: Visit,
): Promise<number> {
  const { data, values, budgetBytes = 128 * 2 ** 20, maxRowsPerRun = 32 } = options;
  if (fixed !== undefined && data.rows < fixed) {
    throw invalidInput('data', `The model takes ${fixed} rows at a time and the calibration data has ${data.rows}.`);
  }
  const outputs = new Set(model.outputs.map(({ name }) => name));
  const fetches = values.filter((value) => outputs.has(value));
  // One row tells the sizes; then as many at a time as the budget allows.
  let count = fixed ?? 1;
  let most = maxRowsPerRun;
  let row = 0;
  while (row + (fixed ?? 1) <= data.rows) {
    if (options.signal?.aborted) throw new HotpathError('CANCELLED', 'The calibration was cancelled.');
    const rows = fixed ?? Math.min(count, data.rows - row);
    const feeds = data.slice(row, rows);
    // A model with nothing to fetch still runs, so that bad data is found.
    const answer = model.run(feeds, fetches.length > 0 ? fetches : undefined);
    // An axis named "batch" is no promise: some models take one row whatever they say.
    const results = await (rows > 1 && fixed === undefined ? answer.catch(() => undefined) : answer);
    if (results === undefined) {
      count = most = 1;
      continue;
    }
    const bytes = showValues(values, results, feeds, visit);
    row += rows;
    count = Math.max(1, Math.min(most, Math.floor((budgetBytes * rows) / bytes)));
    options.onProgress?.(row, data.rows);
  }
  return row;
}

/** @returns how many bytes they take, at least 1. */
function showValues(
  values: readonly string[],
  results: Readonly<Record<string, Tensor>>,
  feeds: Feeds,
  visit: Visit,
): number {
  let bytes = 1;
  for (const value of values) {
    const tensor = results[value] ?? feeds[value];
    if (tensor === undefined) throw invalidInput(value, `The calibration data has no values for the input "${value}".`);
    bytes += tensorBytes(tensor);
    visit(value, floatsOf(value, tensor), tensor.shape);
  }
  return bytes;
}

function floatsOf(value: string, { datatype, data }: Tensor): Float32Array {
  const floats =
    datatype === 'float32'
      ? (data as Float32Array)
      : datatype === 'float16'
        ? Float32Array.from(data as Uint16Array, (pattern) => smallFloatTable('float16')[pattern]!)
        : Float32Array.from(data as ArrayLike<number | bigint | string>, Number);
  const bad = firstNotFinite(floats);
  if (bad >= 0) {
    throw invalidInput(
      value,
      `The value "${value}" of the model has ${floats[bad]} at element ${bad} on the calibration data; only finite numbers can be calibrated.`,
    );
  }
  return floats;
}
