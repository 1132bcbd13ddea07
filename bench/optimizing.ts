/** `hotpath optimize` on a model of a benchmark, in a folder that is thrown away, and its variants as rows of a table. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OptimizeOptions } from '../src/optimizer/plan/optimize.ts';
import type { OptimizeResult, VariantResult } from '../src/optimizer/plan/result.ts';
import { runOptimize } from '../src/server-optimize.ts';
import { formatNumber, type Table } from './result.ts';

export interface OptimizedModel {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Rows of data, `[rows, ...]`. */
  readonly rows: Float32Array;
  readonly rowShape: readonly number[];
  /** One per row. */
  readonly labels?: ArrayLike<number>;
}

/** @param use what else is to be done while the folder with the variants is there */
export async function optimizeForBench<T>(
  { name, bytes, rows, rowShape, labels }: OptimizedModel,
  options: Pick<OptimizeOptions, 'recipes' | 'batchMs'>,
  use: (result: OptimizeResult, folder: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'hotpath-bench-optimizer-'));
  try {
    const modelPath = join(folder, `${name}.onnx`);
    const [dataPath, labelsPath] = [join(folder, 'rows.npy'), join(folder, 'labels.npy')];
    await writeFile(modelPath, bytes);
    await writeFile(dataPath, npy(rowShape, rows));
    if (labels !== undefined) await writeFile(labelsPath, npy([], Float32Array.from(labels)));
    const data = { path: dataPath, labels: labels === undefined ? undefined : labelsPath };
    // Whatever the gate says is measured too.
    const request = { modelPath, outFolder: join(folder, 'out'), data, maxDrop: 1, force: true, ...options };
    const { result } = await runOptimize(request, { onProgress: progressOf(name) });
    return await use(result, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A line per step, for runs whose output goes to a file. */
export function progressOf(name: string): (share: number, what: string) => void {
  let shown = '';
  return (_, what) => {
    if (what !== shown) console.log(`  ${name}: ${what}`);
    shown = what;
  };
}

/** NumPy's file format, version 1. @param rowShape of one row */
export function npy(rowShape: readonly number[], values: Float32Array): Buffer {
  const elements = rowShape.reduce((product, dim) => product * dim, 1);
  const shape = [values.length / elements, ...rowShape];
  const tuple = `${shape.join(', ')}${shape.length === 1 ? ',' : ''}`;
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${tuple}), }`;
  const padded = `${header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11)}\n`;
  const length = Buffer.alloc(2);
  length.writeUInt16LE(padded.length);
  const data = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), length, Buffer.from(padded), data]);
}

export function variantOf({ variants }: OptimizeResult, id: string): VariantResult | undefined {
  return variants.find((variant) => variant.id === id);
}

/** Of the worst output. */
export function sqnrDb(variant: VariantResult | undefined): number {
  const decibels = (variant?.difference?.outputs ?? []).map((output) => output.sqnrDb);
  return decibels.length === 0 ? Number.NaN : Math.min(...decibels);
}

export function variantTable(title: string, { variants }: OptimizeResult): Table {
  const batches = variants[0]!.timings.map(({ batch }) => batch);
  const accuracy = variants.some(({ difference }) => difference?.labels?.accuracy !== undefined);
  return {
    title,
    columns: [
      'variant',
      'MB',
      'of the original',
      ...batches.map((batch) => `${batch} rows: ms, times as fast`),
      'SQNR dB',
      ...(accuracy ? ['accuracy'] : []),
    ],
    rows: variants.map((variant) => [
      variant.title,
      formatNumber(variant.sizeBytes / 1e6),
      formatNumber(variant.sizeBytes / variants[0]!.sizeBytes),
      ...batches.map((batch) => timingText(variant, batch)),
      variant.state === 'original' ? '-' : formatNumber(sqnrDb(variant)),
      ...(accuracy ? [accuracyText(variant, variants)] : []),
    ]),
  };
}

function accuracyText({ difference, state }: VariantResult, variants: readonly VariantResult[]): string {
  const known = variants.find((one) => one.difference?.labels?.accuracy)?.difference?.labels?.accuracy;
  const share = state === 'original' ? known?.original : difference?.labels?.accuracy?.variant;
  return share === undefined ? '-' : `${(100 * share).toFixed(2)} %`;
}

function timingText({ timings, state }: VariantResult, batch: number): string {
  const timing = timings.find((each) => each.batch === batch);
  if (timing === undefined) return '-';
  const { median, low, high } = timing.speedup;
  const ratio = state === 'original' ? '1' : `${formatNumber(median)}x (${formatNumber(low)} to ${formatNumber(high)})`;
  return `${formatNumber(timing.ms.median)}, ${ratio}`;
}
