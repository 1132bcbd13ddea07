import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import * as ort from 'onnxruntime-node';
import { buildMatmulChain, buildMlp512, buildResnet18, writeModelRepository } from '../../bench/models.ts';
import { seededRandom } from '../../src/core/seeded-random.ts';

const models = [
  { name: 'mlp512', bytes: () => buildMlp512(), row: [512], outputs: 10, rows: 5 },
  { name: 'resnet18', bytes: () => buildResnet18(), row: [3, 224, 224], outputs: 1000, rows: 2 },
  { name: 'matmul-chain', bytes: () => buildMatmulChain({ layers: 4 }), row: [64], outputs: 8, rows: 3 },
];

/** Runs `data` as rows of shape `row` and returns the only output. */
async function runRows(session: ort.InferenceSession, data: Float32Array, row: readonly number[]): Promise<ort.Tensor> {
  const rows = data.length / row.reduce((count, dim) => count * dim, 1);
  const results = await session.run({ [session.inputNames[0]!]: new ort.Tensor('float32', data, [rows, ...row]) });
  return results[session.outputNames[0]!]!;
}

describe('benchmark models', () => {
  for (const { name, bytes, row, outputs, rows } of models) {
    it(`${name}: each row of a batch has the answer it has alone, and rows differ`, async () => {
      const session = await ort.InferenceSession.create(bytes(), { intraOpNumThreads: 1 });
      const size = row.reduce((count, dim) => count * dim, 1);
      const random = seededRandom(1);
      const data = Float32Array.from({ length: rows * size }, () => random() * 2 - 1);
      const joined = await runRows(session, data, row);
      assert.deepEqual(joined.dims, [rows, outputs]);
      const answers = joined.data as Float32Array;
      for (let index = 0; index < rows; index++) {
        const alone = (await runRows(session, data.slice(index * size, (index + 1) * size), row)).data as Float32Array;
        for (let i = 0; i < outputs; i++) {
          const difference = Math.abs(answers[index * outputs + i]! - alone[i]!);
          assert.ok(difference <= 1e-4, `row ${index} output ${i} differs by ${difference}`);
        }
      }
      const spread = Math.max(...answers) - Math.min(...answers);
      assert.ok(spread > 0.05 && spread < 100, `spread ${spread}`);
      assert.notDeepEqual(answers.slice(0, outputs), answers.slice(outputs, 2 * outputs));
      await session.release();
    });
  }

  it('are stored as a repository, iris with its class names', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'hotpath-models-'));
    try {
      await writeModelRepository(dir, ['iris', 'mlp512']);
      assert.deepEqual(await readFile(join(dir, 'mlp512/1/model.onnx')), Buffer.from(buildMlp512()));
      const session = await ort.InferenceSession.create(join(dir, 'iris/1/model.onnx'));
      const answer = await session.run({ features: new ort.Tensor('float32', [5.1, 3.5, 1.4, 0.2], [1, 4]) });
      const config = JSON.parse(await readFile(join(dir, 'iris/model.json'), 'utf8'));
      assert.equal(config.classNames[Number(answer.label!.data[0])], 'setosa');
      await session.release();
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
});
