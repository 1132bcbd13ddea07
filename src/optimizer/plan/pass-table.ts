/** The passes by name, loaded when a recipe asks for one. The single place that knows their files. Called by build-variant.ts. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModelRunner, Pass } from '../pass.ts';
import type { OfflineLevel, OfflineSettings } from '../passes/offline.ts';

// Settings are checked by each pass; recipes.ts writes them.
type AnyPass = Pass<never>;

const passes = {
  offline: async () => offline,
  'dynamic-int8': async () => (await import('../passes/dynamic-int8.ts')).dynamicInt8,
  'static-int8': async () => (await import('../passes/static-int8.ts')).staticInt8,
  'smooth-quant': async () => (await import('../passes/smooth-quant.ts')).smoothQuant,
  'mixed-precision': async () => (await import('../passes/mixed-precision.ts')).mixedPrecision,
  'weight-only': async () => (await import('../passes/weight-only.ts')).weightOnly,
  gptq: async () => (await import('../passes/gptq.ts')).gptq,
  float32: async () => (await import('../passes/float32.ts')).float32,
  float16: async () => (await import('../passes/float16.ts')).float16,
  'float16-weights': async () => (await import('../passes/float16-weights.ts')).float16Weights,
  'prune-structured': async () => (await import('../passes/prune-structured.ts')).pruneStructured,
  'further-training': async () => (await import('../passes/further-training.ts')).furtherTraining,
  'prune-magnitude': async () => (await import('../passes/prune-magnitude.ts')).pruneMagnitude,
} as const satisfies Readonly<Record<string, () => Promise<AnyPass>>>;

export type PassName = keyof typeof passes;

export type PassLoader = (name: PassName) => (() => Promise<AnyPass>) | undefined;

export const findPass: PassLoader = (name) => (Object.hasOwn(passes, name) ? passes[name] : undefined);

/** The runtime's own optimization, in the process that the runner gives it. */
const offline: Pass<OfflineSettings> = async (graph, settings, context) => {
  const { makeOfflinePass } = await import('../passes/offline.ts');
  return makeOfflinePass((model, level) => saveOptimized(context.runner, model, level))(graph, settings, context);
};

async function saveOptimized(runner: ModelRunner, bytes: Uint8Array, level: OfflineLevel): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), 'hotpath-offline-'));
  try {
    const path = join(folder, 'model.onnx');
    const model = await runner.open(bytes, { graphOptimizationLevel: level, optimizedModelFilePath: path });
    await model.close();
    return await readFile(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
