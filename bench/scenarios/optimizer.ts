/**
 * Scenario 10: what `hotpath optimize` makes of a convolution net and a large perceptron: speed with one thread, size and precision of
 * each variant against the original, timed in turn in processes of their own. Weights are random: SQNR compares variants, no accuracy.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OptimizeResult, VariantResult } from '../../src/optimizer/plan/result.ts';
import { runOptimize } from '../../src/server-optimize.ts';
import type { BenchContext } from '../context.ts';
import { buildMlp2k, buildResnet18 } from '../models.ts';
import { formatNumber, type ScenarioResult, type Table, type Target } from '../result.ts';
import { syntheticRow } from '../rows.ts';

const IMAGE = [3, 224, 224];

export async function runOptimizer({ options }: BenchContext): Promise<ScenarioResult> {
  const batchMs = options.quick ? 2000 : 10_000;
  const convolution = ['static-int8', 'pruned', 'pruned-int8'];
  const resnet = await optimize('resnet18', buildResnet18(), IMAGE, options.quick ? 24 : 96, convolution, batchMs);
  const linear = ['dynamic-int8', 'static-int8', 'gptq-int4'];
  const mlp = await optimize('mlp2048', buildMlp2k(), [2048], options.quick ? 192 : 768, linear, batchMs);
  return {
    name: 'optimizer',
    title: 'Optimizer, one thread',
    method: [
      '`hotpath optimize` on rows of normal noise, a third of them held out for the comparison; variants and original take turns, each in a process of its own; medians, speed-ups are medians of the ratios within the rounds. The weights are random, so the gate is left open and SQNR only compares variants.',
    ],
    tables: [tableOf('ResNet-18-like', resnet), tableOf('MLP 2048', mlp)],
    targets: [
      faster('ResNet-18-like, static INT8, 1 row', resnet, 'static-int8', 1, 3),
      faster('ResNet-18-like, static INT8, 8 rows', resnet, 'static-int8', 8, 3),
      smaller('ResNet-18-like, static INT8, size', resnet, 'static-int8', 0.26),
      {
        what: 'ResNet-18-like, static INT8, SQNR',
        comparison: '>=',
        target: 33,
        unit: 'dB',
        measured: sqnrDb(variantOf(resnet, 'static-int8')),
      },
      faster('ResNet-18-like, pruned 50 % + repair + INT8, 1 row', resnet, 'pruned-int8', 1, 4.5),
      faster('ResNet-18-like, pruned 50 % + repair + INT8, 8 rows', resnet, 'pruned-int8', 8, 4.5),
      faster('MLP 2048, dynamic INT8, 1 row', mlp, 'dynamic-int8', 1, 3.5),
      smaller('MLP 2048, INT4 by GPTQ, size', mlp, 'gptq-int4', 0.17),
    ],
    data: { resnet, mlp },
  };
}

async function optimize(
  name: string,
  model: Uint8Array,
  rowShape: readonly number[],
  rows: number,
  recipes: readonly string[],
  batchMs: number,
): Promise<OptimizeResult> {
  const folder = await mkdtemp(join(tmpdir(), 'hotpath-bench-optimizer-'));
  try {
    const modelPath = join(folder, `${name}.onnx`);
    const dataPath = join(folder, 'rows.npy');
    await writeFile(modelPath, model);
    await writeFile(dataPath, npy(rowShape, rows));
    let shown = '';
    const onProgress = (_: number, what: string): void => {
      if (what !== shown) console.log(`  ${name}: ${what}`);
      shown = what;
    };
    const outFolder = join(folder, 'out');
    const request = { modelPath, outFolder, data: { path: dataPath }, maxDrop: 1, recipes, batchMs, force: true };
    const { result } = await runOptimize(request, { onProgress });
    return result;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** NumPy's file format, version 1. */
function npy(rowShape: readonly number[], rows: number): Buffer {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${[rows, ...rowShape].join(', ')}), }`;
  const padded = `${header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11)}\n`;
  const length = Buffer.alloc(2);
  length.writeUInt16LE(padded.length);
  const elements = rowShape.reduce((product, dim) => product * dim, 1);
  const data = Array.from({ length: rows }, (_, index) => Buffer.from(syntheticRow(elements, index).buffer));
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), length, Buffer.from(padded), ...data]);
}

function variantOf({ variants }: OptimizeResult, id: string): VariantResult | undefined {
  return variants.find((variant) => variant.id === id);
}

function sqnrDb(variant: VariantResult | undefined): number {
  const decibels = (variant?.difference?.outputs ?? []).map((output) => output.sqnrDb);
  return decibels.length === 0 ? Number.NaN : Math.min(...decibels);
}

function faster(what: string, result: OptimizeResult, id: string, batch: number, target: number): Target {
  const timing = variantOf(result, id)?.timings.find((each) => each.batch === batch);
  return {
    what: `${what}: times as fast`,
    comparison: '>=',
    target,
    unit: 'x',
    measured: timing?.speedup.median ?? Number.NaN,
    why: 'it was not built',
  };
}

function smaller(what: string, result: OptimizeResult, id: string, target: number): Target {
  const [original] = result.variants;
  const variant = variantOf(result, id);
  const measured = variant === undefined ? Number.NaN : variant.sizeBytes / original!.sizeBytes;
  return { what, comparison: '<=', target, unit: 'of the original', measured, why: 'it was not built' };
}

function tableOf(title: string, { variants }: OptimizeResult): Table {
  const batches = variants[0]!.timings.map(({ batch }) => batch);
  return {
    title,
    columns: [
      'variant',
      'MB',
      'of the original',
      ...batches.map((batch) => `${batch} rows: ms, times as fast`),
      'SQNR dB',
    ],
    rows: variants.map((variant) => [
      variant.title,
      formatNumber(variant.sizeBytes / 1e6),
      formatNumber(variant.sizeBytes / variants[0]!.sizeBytes),
      ...batches.map((batch) => timingText(variant, batch)),
      variant.state === 'original' ? '-' : formatNumber(sqnrDb(variant)),
    ]),
  };
}

function timingText({ timings, state }: VariantResult, batch: number): string {
  const timing = timings.find((each) => each.batch === batch);
  if (timing === undefined) return '-';
  const { median, low, high } = timing.speedup;
  const ratio = state === 'original' ? '1' : `${formatNumber(median)}x (${formatNumber(low)} to ${formatNumber(high)})`;
  return `${formatNumber(timing.ms.median)}, ${ratio}`;
}
