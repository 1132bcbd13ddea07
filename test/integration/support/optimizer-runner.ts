/**
 * The optimizer's ModelRunner over onnxruntime-node on this very thread, and data sets made from arrays: for tests of passes,
 * calibration and verification, where nobody waits for the event loop. Also counts the operators of what the runtime made of
 * a model, which is how tests prove that layers were fused.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { HotpathError, invalidInput } from '../../../src/core/errors.ts';
import { seededRandom } from '../../../src/core/seeded-random.ts';
import type { Datatype, NumericArray, Tensor, TensorSpec } from '../../../src/core/tensor.ts';
import { elementCount } from '../../../src/core/tensor.ts';
import { fromRuntimeValue, toRuntimeValue } from '../../../src/engines/onnx/onnx-tensors.ts';
import { loadModel } from '../../../src/optimizer/graph/load.ts';
import type {
  Dataset,
  Feeds,
  ModelRunner,
  OpenModel,
  PassContext,
  RunnerOptions,
} from '../../../src/optimizer/pass.ts';

ort.env.logLevel = 'fatal';

/** One thread, level `all`, as the optimizer measures by default. */
export const testRunner: ModelRunner = {
  async open(model, options = {}) {
    let session: ort.InferenceSession;
    try {
      session = await ort.InferenceSession.create(model as string, sessionOptions(options));
    } catch (error) {
      throw new HotpathError('MODEL_FAILED', (error as Error).message);
    }
    return openModel(session);
  },
};

function sessionOptions(options: RunnerOptions): ort.InferenceSession.SessionOptions {
  return {
    intraOpNumThreads: options.intraOpThreads ?? 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: options.graphOptimizationLevel ?? 'all',
    logSeverityLevel: 4,
    ...(options.optimizedModelFilePath === undefined ? {} : { optimizedModelFilePath: options.optimizedModelFilePath }),
    ...options.sessionOptions,
  } as ort.InferenceSession.SessionOptions;
}

function openModel(session: ort.InferenceSession): OpenModel {
  return {
    inputs: session.inputMetadata.map(toSpec),
    outputs: session.outputMetadata.map(toSpec),
    async run(feeds, fetches = session.outputNames) {
      const values: Record<string, ort.OnnxValue> = {};
      for (const [name, tensor] of Object.entries(feeds)) values[name] = toRuntimeValue(name, tensor);
      const results = await session.run(values, [...fetches]);
      return Object.fromEntries(fetches.map((name) => [name, fromRuntimeValue(results[name] as ort.Tensor)]));
    },
    close: () => session.release(),
  };
}

function toSpec(metadata: ort.InferenceSession.ValueMetadata): TensorSpec {
  if (!metadata.isTensor) throw invalidInput(metadata.name, `"${metadata.name}" is no tensor.`);
  const shape = metadata.shape.map((dim) => (typeof dim === 'number' ? dim : -1));
  return { name: metadata.name, datatype: metadata.type as Datatype, shape };
}

/** Rows from tensors that hold all of them along axis 0. Slices are views. */
export function datasetOf(all: Feeds, labels?: ArrayLike<number>): Dataset {
  const entries = Object.entries(all);
  return {
    rows: entries[0]![1].shape[0]!,
    labels,
    slice: (start, count) =>
      Object.fromEntries(
        entries.map(([name, tensor]): [string, Tensor] => {
          const rowSize = elementCount(tensor.shape.slice(1));
          const rows = Math.min(count, tensor.shape[0]! - start);
          const data = (tensor.data as NumericArray).subarray(start * rowSize, (start + rows) * rowSize);
          return [name, { ...tensor, shape: [rows, ...tensor.shape.slice(1)], data: data as NumericArray }];
        }),
      ),
  };
}

/** `rows` rows of normally distributed float32 values of shape `row` for one input. */
export function normalDataset(input: string, rows: number, row: readonly number[], seed = 1): Dataset {
  const shape = [rows, ...row];
  return datasetOf({ [input]: { datatype: 'float32', shape, data: normalValues(elementCount(shape), seed) } });
}

export function normalValues(count: number, seed = 1): Float32Array<ArrayBuffer> {
  const random = seededRandom(seed);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    values[i] = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  }
  return values;
}

/** A context for running a pass by hand. */
export function passContext(calibration: Dataset | undefined, changes: Partial<PassContext> = {}): PassContext {
  return {
    runner: testRunner,
    calibration,
    random: seededRandom(1),
    signal: undefined,
    onProgress: () => undefined,
    ...changes,
  };
}

/** Rows `start` to `start + count` through a model in one run. */
export async function runRows(
  model: Uint8Array | string,
  data: Dataset,
  { start = 0, count = data.rows, options = {} }: { start?: number; count?: number; options?: RunnerOptions } = {},
): Promise<Readonly<Record<string, Tensor>>> {
  const open = await testRunner.open(model, options);
  try {
    return await open.run(data.slice(start, count));
  } finally {
    await open.close();
  }
}

/** How often each operator stands in the graph as the runtime runs it; other domains as `domain:Name`. */
export async function optimizedOperators(
  model: Uint8Array | string,
  level: NonNullable<RunnerOptions['graphOptimizationLevel']> = 'all',
): Promise<Record<string, number>> {
  const folder = await mkdtemp(join(tmpdir(), 'hotpath-optimized-'));
  try {
    const optimizedModelFilePath = join(folder, 'optimized.onnx');
    const open = await testRunner.open(model, { graphOptimizationLevel: level, optimizedModelFilePath });
    await open.close();
    const counts: Record<string, number> = {};
    for (const { opType, domain } of (await loadModel(optimizedModelFilePath)).nodes) {
      const key = domain === '' || domain === 'com.microsoft' ? opType : `${domain}:${opType}`;
      counts[key] = (counts[key] ?? 0) + 1;
    }
    return counts;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
