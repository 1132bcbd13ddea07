/**
 * Runs a freshly trained file through the runtime, on rows of the table and on rows nobody has seen. Called by train.ts before anything is
 * said to be done. In this process, which serves nobody: the file is our own.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '../core/seeded-random.ts';
import type { NamedTensor } from '../core/tensor.ts';
import type { Session } from '../engines/onnx/session.ts';
import { openSession } from '../engines/onnx/session.ts';
import type { ModelKind } from '../training/pipeline/trained-model.ts';
import type { Agreement, RunModel } from '../training/pipeline/verify.ts';
import { addAgreements, randomColumns, verifyPipeline } from '../training/pipeline/verify.ts';
import type { TrainedTable } from '../training/train-table.ts';

/** Neighbours compare each row with all they keep, here and in the runtime; networks may have a million weights. */
const rowsOf = { knn: 500, mlp: 2000, others: 5000 };

/**
 * @param rows at most, of the table, and as many random ones
 * @throws MODEL_FAILED when the runtime refuses the file, ENGINE_FAILED when it cannot run it
 */
export async function proveModel(
  { pipeline, bytes, outputs, columns, report }: TrainedTable,
  rows = rowsFor(pipeline.model.kind),
): Promise<Agreement> {
  const folder = await mkdtemp(join(tmpdir(), 'hotpath-train-'));
  try {
    const path = join(folder, 'model.onnx');
    await writeFile(path, bytes);
    const session = await openSession({
      path,
      executionProviders: ['cpu'],
      fallbackToCpu: false,
      intraOpThreads: 1,
      sessionOptions: {},
    });
    try {
      const run = runnerOf(session);
      const known = Math.min(rows, report.rows.table);
      const seen = await verifyPipeline(pipeline, outputs, columns, known, run);
      const points = randomColumns(pipeline.plan, columns, rows, seededRandom(report.seed + 1));
      const unseen = await verifyPipeline(pipeline, outputs, points, rows, run);
      return addAgreements(seen, unseen);
    } finally {
      await session.release();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function rowsFor(kind: ModelKind): number {
  return kind === 'knn' || kind === 'mlp' ? rowsOf[kind] : rowsOf.others;
}

function runnerOf(session: Session): RunModel {
  const { inputs, outputs } = session.signature;
  return async (tensors) => {
    const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    const results = await session.run(inputs.map(({ name }) => byName.get(name)!));
    return results.map((tensor, index): NamedTensor => ({ ...tensor, name: outputs[index]!.name }));
  };
}
