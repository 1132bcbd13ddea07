/**
 * Scenario 14: models of other people through `hotpath optimize` as a user would call it: what is built, what is refused and why, what is
 * chosen. Needs the fixtures; pictures go to the detector, made-up rows to the others.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DataRequest } from '../../src/optimizer/data/load-data.ts';
import { qualityOf, qualityTitle, worstSqnr } from '../../src/optimizer/plan/quality.ts';
import type { OptimizeResult, VariantResult } from '../../src/optimizer/plan/result.ts';
import { runOptimize } from '../../src/server-optimize.ts';
import { parseImageRecipe } from '../../src/vision/image-recipe.ts';
import type { BenchContext } from '../context.ts';
import { progressOf } from '../optimizing.ts';
import { formatNumber, type ScenarioResult, type Table } from '../result.ts';

const folder = process.env.HOTPATH_FIXTURES ?? fileURLToPath(new URL('../../../shared/fixtures', import.meta.url));

interface Fixture {
  readonly title: string;
  readonly path: string;
  readonly data?: DataRequest;
}

const photos = { path: join(folder, 'detect/coco_val2017'), image: { recipe: parseImageRecipe('yolox') } };

const fixtures: readonly Fixture[] = [
  { title: 'YOLOX-nano, 9 COCO photos', path: 'detect/yolox_nano/yolox_nano.onnx', data: photos },
  { title: 'SqueezeNet, float16', path: 'classify/squeezenet_fp16/SqueezeNet_fp16.onnx' },
  { title: 'MNIST', path: 'classify/mnist/mnist.onnx' },
  { title: 'super resolution', path: 'image2image/super_resolution/super_resolution.onnx' },
  { title: 'Silero VAD', path: 'audio/silero_v6/silero_vad.onnx' },
  { title: 'toy BERT', path: 'text/ort_toys/bert_toy_optimized.onnx' },
  { title: 'Magika', path: 'text/magika_begonly_v2_1/model.onnx' },
];

export async function runVariants({ options }: BenchContext): Promise<ScenarioResult> {
  const there = fixtures.filter(({ path }) => existsSync(join(folder, path)));
  if (there.length === 0) console.log('The fixtures are not there: left out.');
  const results: { title: string; result: OptimizeResult }[] = [];
  for (const { title, path, data } of there) {
    results.push({ title, result: await optimize(title, path, data, options.quick ? 500 : 3000) });
  }
  return {
    name: 'variants',
    title: 'Models of other people through the optimizer',
    method: [
      '`hotpath optimize` with its defaults. Where no rows were given they are made up: size and speed are right then, quality is a hint only.',
    ],
    tables: results.map(({ title, result }) => tableOf(title, result)),
    targets: [
      {
        what: 'models that get through with a report',
        comparison: '>=',
        target: fixtures.length,
        unit: 'models',
        measured: there.length === 0 ? Number.NaN : results.length,
        why: 'the fixtures are not there',
      },
      {
        what: 'boxes that the chosen detector keeps (class, overlap above 0.9)',
        comparison: '>=',
        target: 1,
        unit: 'of all',
        measured: boxesKept(results[0]?.result),
        why: 'the report says to keep the original',
      },
    ],
    data: results.map(({ title, result }) => ({ title, chosen: result.chosen, choice: result.choice })),
  };
}

/** Of the variant to be served, or of the best one that passed. */
function boxesKept(result: OptimizeResult | undefined): number {
  const passed = result?.variants.filter(
    ({ state, difference }) => state === 'passed' && difference?.boxes !== undefined,
  );
  return passed === undefined || passed.length === 0
    ? Number.NaN
    : Math.min(...passed.map(({ difference }) => difference!.boxes!.agreement));
}

async function optimize(
  title: string,
  path: string,
  data: DataRequest | undefined,
  batchMs: number,
): Promise<OptimizeResult> {
  const outFolder = await mkdtemp(join(tmpdir(), 'hotpath-bench-variants-'));
  try {
    const request = { modelPath: join(folder, path), outFolder, data, batchMs };
    return (await runOptimize(request, { onProgress: progressOf(title) })).result;
  } finally {
    await rm(outFolder, { recursive: true, force: true });
  }
}

function tableOf(title: string, result: OptimizeResult): Table {
  const batches = result.variants[0]!.timings.map(({ batch }) => batch);
  const speed = ({ timings }: VariantResult, batch: number): string => {
    const timing = timings.find((each) => each.batch === batch);
    return timing === undefined ? '-' : `${formatNumber(timing.speedup.median)}x`;
  };
  const shown = result.variants.filter(({ state }) => state !== 'unchanged');
  return {
    title: `${title}: ${result.choice}`,
    columns: ['variant', 'MB', ...batches.map((batch) => `${batch} rows`), qualityTitle(result), 'SQNR', 'gate', 'why'],
    rows: shown.map((variant) => [
      variant.title,
      formatNumber(variant.sizeBytes / 1e6),
      ...batches.map((batch) => speed(variant, batch)),
      qualityOf(variant, result) || '-',
      worstSqnr(variant),
      variant.state,
      variant.state === 'passed' ? '' : variant.verdict.reason.replaceAll('|', '/').slice(0, 160),
    ]),
  };
}
