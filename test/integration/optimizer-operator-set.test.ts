import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Tensor } from '../../src/core/tensor.ts';
import { loadModel } from '../../src/optimizer/graph/load.ts';
import type { Feeds, Pass } from '../../src/optimizer/pass.ts';
import { dynamicInt8 } from '../../src/optimizer/passes/dynamic-int8.ts';
import { float16 } from '../../src/optimizer/passes/float16.ts';
import { float16Weights } from '../../src/optimizer/passes/float16-weights.ts';
import { weightOnly } from '../../src/optimizer/passes/weight-only.ts';
import { sqnrDb } from '../../src/optimizer/quantize/sqnr.ts';
import { fixture, withoutFixtures } from './support/engine-harness.ts';
import { readTensorProto } from './support/onnx-pb.ts';
import { passContext, testRunner } from './support/optimizer-runner.ts';

const passes: Readonly<Record<string, readonly [Pass<Record<string, unknown>>, Record<string, unknown>, number]>> = {
  'dynamic INT8': [dynamicInt8, {}, 25],
  'weight-only INT4': [weightOnly, {}, 10],
  FP16: [float16, {}, 25],
  'FP16 weights': [float16Weights, { leastElements: 1 }, 40],
};

async function run(model: Uint8Array | string, feeds: (names: readonly string[]) => Feeds) {
  const open = await testRunner.open(model);
  try {
    return await open.run(feeds(open.inputs.map(({ name }) => name)));
  } finally {
    await open.close();
  }
}

/** Lowest over the outputs; infinities and NaN of both sides count as 0. */
function decibels(expected: Readonly<Record<string, Tensor>>, found: Readonly<Record<string, Tensor>>): number {
  const finite = ({ data }: Tensor): number[] =>
    Array.from(data as ArrayLike<number>, (value) => (Number.isFinite(value) ? value : 0));
  const floats = Object.entries(expected).filter(([, { datatype }]) => datatype === 'float32');
  return Math.min(...floats.map(([name, tensor]) => sqnrDb(finite(tensor), finite(found[name]!))));
}

describe('passes on the ONNX operator tests', { skip: withoutFixtures }, () => {
  it('either change nothing, byte for byte, or keep types and answers', async (test) => {
    const folder = mkdtempSync(join(tmpdir(), 'hotpath-passes-set-'));
    test.after(() => rmSync(folder, { recursive: true }));
    execFileSync('tar', ['xzf', fixture('sets/onnx_backend_dev.tar.gz'), '-C', folder]);
    const models = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
      path.endsWith('model.onnx'),
    );
    const wrong: string[] = [];
    const tally = { changed: 0, untouched: 0, refused: 0 };
    for (const path of models.sort()) {
      const model = join(folder, path);
      const feeds = (names: readonly string[]): Feeds =>
        Object.fromEntries(
          names.map((name, index) => {
            const tensor = readTensorProto(readFileSync(join(model, '..', 'test_data_set_0', `input_${index}.pb`)));
            return [name, tensor!];
          }),
        );
      const expected = await run(model, feeds).catch(() => undefined);
      if (expected === undefined) {
        tally.refused++;
        continue;
      }
      for (const [title, [pass, settings, least]] of Object.entries(passes)) {
        const graph = loadModel(model);
        try {
          const { changed } = await pass(graph, settings, passContext(undefined));
          tally[changed.length === 0 ? 'untouched' : 'changed']++;
          if (changed.length === 0) assert.deepEqual(graph.toBytes(), loadModel(model).toBytes());
          else {
            const found = await run(graph.check().toBytes(), feeds);
            const types = (answers: Readonly<Record<string, Tensor>>) =>
              Object.entries(answers).map(([name, { datatype }]) => [name, datatype]);
            assert.deepEqual(types(found), types(expected));
            const quality = decibels(expected, found);
            assert.ok(quality > least, `${quality} dB`);
          }
        } catch (error) {
          wrong.push(`${path}, ${title}: ${(error as Error).message.slice(0, 200)}`);
        }
      }
    }
    test.diagnostic(JSON.stringify(tally));
    assert.deepEqual(wrong, []);
    assert.ok(tally.changed > 250);
  });
});
