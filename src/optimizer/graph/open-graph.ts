/**
 * A graph as a model that runs. Called by passes, calibration and verification with the runner they were given. Big graphs, and
 * those with data in other files, go through a temporary folder that is gone after `close()`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModelRunner, OpenModel, RunnerOptions } from '../pass.ts';
import type { Graph } from './graph.ts';
import { saveModel } from './save.ts';

/** Below this the bytes are handed over in memory, which costs one more copy of them. */
const mostBytesInMemory = 64 * 2 ** 20;

/** @param folder for temporary files @default the system's. @throws MODEL_FAILED in the runtime's words; INVALID_INPUT for a damaged graph */
export async function openGraph(
  graph: Graph,
  runner: ModelRunner,
  options: RunnerOptions = {},
  folder = tmpdir(),
): Promise<OpenModel> {
  const inFiles = graph.initializers.some(({ storage }) => storage === 'external');
  const bytes = graph.initializers.reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (!inFiles && bytes <= mostBytesInMemory) return runner.open(graph.check().toBytes(), options);
  const place = mkdtempSync(join(folder, 'hotpath-graph-'));
  const clear = (): void => rmSync(place, { recursive: true, force: true });
  try {
    saveModel(graph, join(place, 'model.onnx'));
    const model = await runner.open(join(place, 'model.onnx'), options);
    return {
      inputs: model.inputs,
      outputs: model.outputs,
      run: (feeds, fetches) => model.run(feeds, fetches),
      close: () => model.close().finally(clear),
    };
  } catch (error) {
    clear();
    throw error;
  }
}
