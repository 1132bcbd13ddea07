/**
 * Scenario 10: what `hotpath optimize` makes of a convolution net and a large perceptron: speed with one thread, size and precision of
 * each variant against the original, timed in turn in processes of their own. Weights are random: SQNR compares variants, no accuracy.
 */
import type { OptimizeResult } from '../../src/optimizer/plan/result.ts';
import type { BenchContext } from '../context.ts';
import { buildMlp2k, buildResnet18 } from '../models.ts';
import { optimizeForBench, sqnrDb, variantOf, variantTable } from '../optimizing.ts';
import type { ScenarioResult, Target } from '../result.ts';
import { syntheticRows } from '../rows.ts';

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
    tables: [variantTable('ResNet-18-like', resnet), variantTable('MLP 2048', mlp)],
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

function optimize(
  name: string,
  bytes: Uint8Array,
  rowShape: readonly number[],
  count: number,
  recipes: readonly string[],
  batchMs: number,
): Promise<OptimizeResult> {
  const rows = syntheticRows(rowShape, count);
  return optimizeForBench({ name, bytes, rows, rowShape }, { recipes, batchMs }, async (result) => result);
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
