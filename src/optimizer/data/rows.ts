/**
 * Rows for calibration and verification, in memory: as columns (one tensor per input, axis 0 the rows) or, for models whose inputs
 * cannot be joined along axis 0, one by one. Called by load-data.ts; passes see only `Dataset`.
 */
import { invalidInput } from '../../core/errors.ts';
import type { Tensor, TensorData } from '../../core/tensor.ts';
import { elementCount } from '../../core/tensor.ts';
import type { Random } from '../../ports/clock.ts';
import type { Dataset, Feeds } from '../pass.ts';

export interface Rows extends Dataset {
  /** False: `slice` gives one row at a time only. */
  readonly joinable: boolean;
  /** The rows of these numbers, in this order. */
  take(rows: readonly number[]): Rows;
}

/** Rows from a file or a folder, with what is known of them. */
export interface LoadedData {
  readonly rows: Rows;
  /** Of all that they come from, SHA-256 in hex. */
  readonly digest: string;
  /** How people call it: `calib.npz, 300 rows`. */
  readonly title: string;
  /** By class number, where they are known. */
  readonly classNames: readonly string[] | undefined;
  /** Sentences for the report. */
  readonly notes: readonly string[];
}

export type Labels = ArrayLike<number> | undefined;

/** One tensor per input with the rows along axis 0; `constants` are given with every run as they are. */
export class ColumnRows implements Rows {
  readonly joinable = true;
  readonly rows: number;
  readonly labels: Labels;
  readonly #columns: Feeds;
  readonly #constants: Feeds;

  constructor(
    columns: Feeds,
    { constants = {}, labels }: { readonly constants?: Feeds; readonly labels?: Labels } = {},
  ) {
    const [first] = Object.values(columns);
    this.rows = first?.shape[0] ?? 1;
    this.labels = labels;
    this.#columns = columns;
    this.#constants = constants;
  }

  slice(start: number, count: number): Feeds {
    checkRange(this.rows, start, count);
    const parts = Object.entries(this.#columns).map(([name, tensor]) => [name, sliceTensor(tensor, start, count)]);
    return { ...Object.fromEntries(parts), ...this.#constants };
  }

  take(rows: readonly number[]): ColumnRows {
    const parts = Object.entries(this.#columns).map(([name, tensor]) => [name, takeTensor(tensor, rows)]);
    return new ColumnRows(Object.fromEntries(parts), {
      constants: this.#constants,
      labels: takeLabels(this.labels, rows),
    });
  }
}

/** Rows that could be joined, but must not be: the model would mix them. */
export class SeparateRows implements Rows {
  readonly joinable = false;
  readonly rows: number;
  readonly labels: Labels;
  readonly #rows: Rows;

  constructor(rows: Rows) {
    this.rows = rows.rows;
    this.labels = rows.labels;
    this.#rows = rows;
  }

  slice(start: number, count: number): Feeds {
    if (count !== 1) throw onlyOneByOne();
    return this.#rows.slice(start, 1);
  }

  take(rows: readonly number[]): SeparateRows {
    return new SeparateRows(this.#rows.take(rows));
  }
}

/** Each row is the whole input of one run. */
export class SingleRows implements Rows {
  readonly joinable = false;
  readonly rows: number;
  readonly labels: Labels;
  readonly #feeds: readonly Feeds[];

  constructor(feeds: readonly Feeds[], labels?: Labels) {
    this.rows = feeds.length;
    this.labels = labels;
    this.#feeds = feeds;
  }

  slice(start: number, count: number): Feeds {
    checkRange(this.rows, start, count);
    if (count !== 1) throw onlyOneByOne();
    return this.#feeds[start]!;
  }

  take(rows: readonly number[]): SingleRows {
    return new SingleRows(
      rows.map((row) => this.#feeds[row]!),
      takeLabels(this.labels, rows),
    );
  }
}

function onlyOneByOne(): Error {
  return invalidInput('data', 'The rows of this data can only be run one by one.');
}

export interface SplitRows {
  readonly calibration: Rows;
  readonly heldOut: Rows;
  /** Sentences about what the split could not do. */
  readonly notes: readonly string[];
}

export interface SplitLimits {
  /** @default 512 */
  readonly mostCalibration?: number;
  /** @default 2000 */
  readonly mostHeldOut?: number;
}

/** Shuffled, because files are often ordered by class; a third, at least one row, is held out. */
export function splitRows(
  rows: Rows,
  random: Random,
  { mostCalibration = 512, mostHeldOut = 2000 }: SplitLimits = {},
): SplitRows {
  const notes: string[] = [];
  if (rows.rows < 2) {
    notes.push('There is one row only: variants are verified on the row that they were calibrated on.');
    return { calibration: rows, heldOut: rows, notes };
  }
  const order = shuffled(rows.rows, random);
  const calibrationRows = Math.min(mostCalibration, rows.rows - Math.max(1, Math.floor(rows.rows / 3)));
  const calibration = order.slice(0, calibrationRows);
  const heldOut = order.slice(calibrationRows, calibrationRows + mostHeldOut);
  if (heldOut.length < 30) notes.push(`Only ${heldOut.length} rows are held out: shares and errors are rough.`);
  return { calibration: rows.take(calibration), heldOut: rows.take(heldOut), notes };
}

function shuffled(count: number, random: Random): number[] {
  const order = Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other]!, order[last]!];
  }
  return order;
}

export function checkRange(rows: number, start: number, count: number): void {
  if (start < 0 || count < 1 || start + count > rows) {
    throw invalidInput('data', `Rows ${start} to ${start + count} of ${rows} do not exist.`);
  }
}

/** Rows `start` to `start + count` along axis 0, copied: engines take buffers away. */
export function sliceTensor({ datatype, shape, data }: Tensor, start: number, count: number): Tensor {
  const size = elementCount(shape.slice(1));
  return { datatype, shape: [count, ...shape.slice(1)], data: data.slice(start * size, (start + count) * size) };
}

function takeTensor({ datatype, shape, data }: Tensor, rows: readonly number[]): Tensor {
  const size = elementCount(shape.slice(1));
  const taken = { datatype, shape: [rows.length, ...shape.slice(1)] };
  if (Array.isArray(data)) return { ...taken, data: rows.flatMap((row) => data.slice(row * size, (row + 1) * size)) };
  const target = new (data.constructor as Uint8ArrayConstructor)(rows.length * size);
  for (const [place, row] of rows.entries()) {
    target.set((data as Uint8Array).subarray(row * size, (row + 1) * size), place * size);
  }
  return { ...taken, data: target as TensorData };
}

export function takeLabels(labels: Labels, rows: readonly number[]): Labels {
  return labels && Float64Array.from(rows, (row) => labels[row]!);
}

/** The tensors one under the other. All must have the same datatype and trailing shape. */
export function joinTensors(parts: readonly Tensor[]): Tensor {
  const [first] = parts as [Tensor];
  if (parts.length === 1) return first;
  const rows = parts.reduce((sum, part) => sum + part.shape[0]!, 0);
  const shape = [rows, ...first.shape.slice(1)];
  if (Array.isArray(first.data)) {
    return { datatype: first.datatype, shape, data: parts.flatMap((part) => part.data as string[]) };
  }
  const joined = new (first.data.constructor as Uint8ArrayConstructor)(rows * elementCount(first.shape.slice(1)));
  let at = 0;
  for (const { data } of parts) {
    joined.set(data as Uint8Array, at);
    at += data.length;
  }
  return { datatype: first.datatype, shape, data: joined as TensorData };
}

/** Whether the tensors can stand one under the other. */
export function fitTogether(parts: readonly Tensor[]): boolean {
  const [first] = parts;
  if (first === undefined || first.shape.length === 0) return false;
  const tail = first.shape.slice(1).join();
  return parts.every(
    ({ datatype, shape }) =>
      datatype === first.datatype && shape.length === first.shape.length && shape.slice(1).join() === tail,
  );
}
