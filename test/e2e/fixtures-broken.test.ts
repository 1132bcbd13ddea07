/** Files that no runtime accepts: each fails by itself, says why without a path, and costs the others nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withModels } from './support/dropped-models.ts';
import { withoutFixtures } from './support/fixtures.ts';
import { get, post } from './support/serve.ts';

const broken: Record<string, { file: string; reason: RegExp }> = {
  'custom-domain': { file: 'odd/ort/custom_mul.onnx', reason: /opset import for domain 'test'/ },
  'unknown-operator': { file: 'odd/ort/foo_1.onnx', reason: /not a registered function/ },
  'no-opset': { file: 'odd/ort/mul_1.noopset.onnx', reason: /Missing opset/ },
  'no-tensor-output': { file: 'odd/ort/sequence_construct.onnx', reason: /No output of the model is a tensor/ },
};

test('models with custom domains, unknown operators, no opset or no tensor output fail with the reason', {
  skip: withoutFixtures,
}, async () => {
  const files = Object.fromEntries(Object.entries(broken).map(([name, { file }]) => [name, file]));
  await withModels({ ...files, mul: 'odd/ort/mul_1.onnx' }, async (server, urlOf) => {
    for (const [name, { reason }] of Object.entries(broken)) {
      const { status, body } = await post(`${urlOf(name)}/predict`, { features: [1] });
      assert.deepEqual([status, body.error.code], [503, 'MODEL_FAILED'], name);
      assert.match(body.error.message, reason);
      assert.ok(!body.error.message.includes(server.models), body.error.message);
      const { body: state } = await get(urlOf(name));
      assert.equal(state.state, 'failed');
      assert.match(state.reason, reason);
      const { status: live } = await get(`${server.url}/health/ready`);
      assert.equal(live, 200);
    }
    // X times the constants 1 to 6.
    const { body } = await post(`${urlOf('mul')}/predict`, {
      inputs: {
        X: [
          [1, 1],
          [1, 1],
          [2, 2],
        ],
      },
    });
    assert.deepEqual(body.outputs.Y.data, [1, 2, 3, 4, 10, 12]);
  });
});
