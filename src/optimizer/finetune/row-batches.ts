/** Splits rows into those to learn from and those that judge, and serves them as batches of one size. Called by the trainers. */
import { elementCount } from '../../core/tensor.ts';
import type { Random } from '../../ports/clock.ts';
import type { Feeds } from '../pass.ts';
import type { RowSource } from './row-source.ts';
import type { TargetRows } from './targets.ts';
import type { Batches } from './train-loop.ts';

export interface SplitOptions {
  /** @default 64, or 8 where a row has over 16,384 numbers */
  readonly batchSize?: number | undefined;
  /** Share of the rows. */
  readonly heldOut: number;
}

export interface RowBatches extends Batches {
  /** A batch to find the shapes with. */
  readonly example: Feeds;
  readonly batchSize: number;
  readonly trainingRows: number;
  /** Must be told before the first batch: numbers of a row's target. */
  targetSize: number;
}

export function rowBatches(
  source: RowSource,
  rows: number,
  targets: Pick<TargetRows, 'write'>,
  { batchSize, heldOut }: SplitOptions,
  random: Random,
): RowBatches {
  const order = Int32Array.from({ length: rows }, (_, row) => row);
  shuffle(order, random);
  const judges = Math.min(rows - 1, Math.round(rows * heldOut));
  const [held, training] = [order.slice(0, judges), order.slice(judges)];
  const one = source.take([0]);
  const size = Math.min(batchSize ?? defaultBatch(one), training.length);
  let next = training.length;
  const pick = (chosen: Int32Array): ReturnType<Batches['next']> => {
    const target = new Float32Array(chosen.length * batches.targetSize);
    for (const [index, row] of chosen.entries())
      targets.write(row, target, index * batches.targetSize, batches.targetSize);
    return { feeds: source.take(chosen), targets: target };
  };
  const batches: RowBatches = {
    batchSize: size,
    trainingRows: training.length,
    targetSize: 0,
    example: source.take(training.subarray(0, size)),
    next() {
      if (next + size > training.length) {
        shuffle(training, random);
        next = 0;
      }
      next += size;
      return pick(training.subarray(next - size, next));
    },
    *heldOut() {
      // The last batch is filled up with rows from the front, so that all have the shape that the step was made for.
      for (let start = 0; start < held.length; start += size) {
        yield pick(Int32Array.from({ length: size }, (_, index) => held[(start + index) % held.length]!));
      }
    },
  };
  return batches;
}

function defaultBatch(row: Feeds): number {
  const numbers = Object.values(row).reduce((sum, { shape }) => sum + elementCount(shape), 0);
  return numbers > 16_384 ? 8 : 64;
}

export function shuffle(order: Int32Array, random: Random): void {
  for (let index = order.length - 1; index > 0; index--) {
    const other = Math.floor(random() * (index + 1));
    [order[index], order[other]] = [order[other]!, order[index]!];
  }
}
