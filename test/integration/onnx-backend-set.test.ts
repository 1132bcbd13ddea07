import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Tensor } from '../../src/core/tensor.ts';
import type { Session } from '../../src/engines/onnx/session.ts';
import { openSession } from '../../src/engines/onnx/session.ts';
import { difference } from '../../src/engines/onnx/tensor-compare.ts';
import { fixture, withoutFixtures } from './support/engine-harness.ts';
import { readTensorProto } from './support/onnx-pb.ts';

/** Answers that differ for a reason of the runtime's own. */
const knownDifferences: Record<string, string> = {
  test_training_dropout_default_mask: 'drops at random',
  test_maxunpool_export_with_output_shape:
    'ONNX Runtime 1.30 places the values differently; its own test list excludes it',
};

/** Why a model may be refused at load: an operator, opset or datatype ONNX Runtime or its binding does not have. */
const honestRefusals =
  /Could not find an implementation|Unsupported data type|not a registered function|under development|is no tensor, which|is datatype u?int4|nothing to answer with|Failed to construct locale|Batchwise recurrent|guarantees/;

/** Opens, runs and compares one case; throws with what is wrong. @returns how it went */
async function play(folder: string): Promise<'passed' | 'refused'> {
  let session: Session;
  try {
    session = await openSession({
      path: join(folder, 'model.onnx'),
      executionProviders: ['cpu'],
      fallbackToCpu: false,
      intraOpThreads: 1,
    });
  } catch (error) {
    assert.match((error as Error).message, honestRefusals);
    return 'refused';
  }
  const { inputs, outputs } = session.signature;
  const read = (kind: string, index: number): Tensor | undefined =>
    readTensorProto(readFileSync(join(folder, 'test_data_set_0', `${kind}_${index}.pb`)));
  const answers = await session.run(inputs.map((_, index) => read('input', index)!));
  await session.release();
  for (const [index, answer] of answers.entries()) {
    const expected = read('output', index);
    const { name } = outputs[index]!;
    assert.equal(answer.datatype, expected?.datatype, name);
    assert.deepEqual(answer.shape, expected?.shape, name);
    assert.equal(difference(answer, expected!), 0, name);
  }
  return 'passed';
}

describe('ONNX operator tests', { skip: withoutFixtures }, () => {
  it('gives the right answer to every model the runtime can run', async (test) => {
    const folder = mkdtempSync(join(tmpdir(), 'hotpath-onnx-set-'));
    test.after(() => rmSync(folder, { recursive: true }));
    execFileSync('tar', ['xzf', fixture('sets/onnx_backend_dev.tar.gz'), '-C', folder]);
    const cases = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('model.onnx'))
      .map((path) => join(folder, path, '..'))
      .filter((path) => existsSync(join(path, 'test_data_set_0')));
    const tally = { passed: 0, refused: 0, known: 0 };
    const wrong: string[] = [];
    for (const path of cases.sort()) {
      const name = path.split('/').at(-1)!;
      try {
        tally[await play(path)]++;
      } catch (error) {
        if (name in knownDifferences) tally.known++;
        else wrong.push(`${name}: ${(error as Error).message}`);
      }
    }
    test.diagnostic(`${cases.length} models: ${JSON.stringify(tally)}`);
    assert.deepEqual(wrong, []);
    assert.ok(tally.passed >= 350, `only ${tally.passed} passed`);
  });
});
