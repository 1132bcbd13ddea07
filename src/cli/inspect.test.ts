import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { encodeModel } from '../onnx-file/encode.ts';
import type { Node, TensorLiteral, ValueInfo } from '../onnx-file/model.ts';
import { ints, makeModel, makeNode, makeTensor, makeValueInfo } from '../onnx-file/model.ts';
import type { ModelReport } from '../optimizer/graph/inspect/inspect-model.ts';
import { UsageError } from './command.ts';
import { run } from './inspect.ts';
import { createStyle } from './terminal.ts';

const folder = mkdtempSync(join(tmpdir(), 'hotpath-inspect-'));
after(() => rmSync(folder, { recursive: true }));

async function inspect(bytes: Uint8Array, ...flags: string[]): Promise<{ code: number; out: string; err: string }> {
  const path = join(folder, 'model.onnx');
  writeFileSync(path, bytes);
  const said = { out: '', err: '' };
  const terminal = {
    out: (text: string) => {
      said.out += `${text}\n`;
    },
    err: (text: string) => {
      said.err += `${text}\n`;
    },
    style: createStyle(false),
  };
  return { code: await run([path, ...flags], { terminal, env: {} }), ...said };
}

const report = async (bytes: Uint8Array): Promise<ModelReport> => JSON.parse((await inspect(bytes, '--json')).out);

const weights = (name: string, ...dims: number[]): TensorLiteral =>
  makeTensor(name, 'float32', dims, new Float32Array(dims.reduce((all, dim) => all * dim, 1)));

const image = makeValueInfo('image', 'float32', ['batch', 3, 8, 8]);

function modelOf(
  nodes: readonly Node[],
  initializers: readonly TensorLiteral[],
  outputs: readonly ValueInfo[],
  opset = 17,
): Uint8Array {
  const graph = { name: 'test', nodes, initializers, inputs: [image], outputs };
  return encodeModel(makeModel({ opsets: [{ domain: '', version: opset }], graph }));
}

/** A convolution, a pool, and a dense layer; the convolution without its own name. */
const network = modelOf(
  [
    makeNode('Conv', ['image', 'kernel', 'bias'], ['c'], { pads: ints([1, 1, 1, 1]) }),
    makeNode('MaxPool', ['c'], ['p'], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) }),
    makeNode('Flatten', ['p'], ['f']),
    makeNode('MatMul', ['f', 'dense'], ['y']),
  ],
  [weights('kernel', 4, 3, 3, 3), weights('bias', 4), weights('dense', 64, 10)],
  [makeValueInfo('y', 'float32', ['batch', 10])],
);

describe('hotpath inspect', () => {
  it('counts parameters, bytes and operations, layer by layer', async () => {
    const { layers, parameters, weightBytes, flops, operators } = await report(network);
    assert.deepEqual(
      layers.map(({ name, parameters: count, weightBytes: bytes, flops: work }) => [name, count, bytes, work]),
      [
        ['y', 640, 2560, 2 * 64 * 10],
        ['c', 112, 448, 2 * 4 * 8 * 8 * 27],
      ],
    );
    assert.deepEqual([parameters, weightBytes, flops], [752, 3008, 1280 + 13824]);
    assert.deepEqual(
      operators.map(({ operator, count }) => `${operator} ${count}`),
      ['Conv 1', 'Flatten 1', 'MatMul 1', 'MaxPool 1'],
    );
  });

  it('says which layers fit which method, and why others do not', async () => {
    const { quantization, batching } = await report(network);
    const byMethod = Object.fromEntries(quantization.map((entry) => [entry.method, entry]));
    assert.equal(byMethod['static INT8']?.layers, 2);
    assert.equal(byMethod['static INT8']?.weightShare, 1);
    assert.equal(byMethod['dynamic INT8']?.layers, 1);
    assert.deepEqual(byMethod['dynamic INT8']?.obstacles, [
      { reason: 'Conv with dynamic INT8 is slower than float', layers: 1 },
    ]);
    assert.deepEqual(byMethod['weight-only INT4']?.obstacles, [{ reason: 'the runtime has no 4-bit Conv', layers: 1 }]);
    assert.equal(batching.likely, true);
  });

  it('knows tied weights, computed weights and old opsets', async () => {
    const tied = modelOf(
      [
        makeNode('MatMul', ['image', 'w'], ['a']),
        makeNode('MatMul', ['a', 'w'], ['b']),
        makeNode('MatMul', ['b', 'a'], ['y']),
        makeNode('Conv', ['image', 'kernel'], ['z']),
      ],
      [weights('w', 8, 8), weights('kernel', 4, 3, 3, 3)],
      [makeValueInfo('y', 'float32', [1, 3, 8, 8]), makeValueInfo('z', 'float32', ['batch', 4, 6, 6])],
      6,
    );
    const { layers, batching } = await report(tied);
    const why = Object.fromEntries(layers.map(({ name, methods }) => [name, methods?.['static INT8']]));
    assert.deepEqual(why, {
      a: 'its weights are shared with another layer',
      b: 'its weights are shared with another layer',
      y: 'its weights are computed when it runs',
      z: 'opset 6 is older than 7',
    });
    assert.equal(layers.find(({ name }) => name === 'b')?.parameters, 0);
    assert.deepEqual(batching, { likely: false, reason: 'No: axis 0 of "y" is fixed at 1.' });
  });

  it('takes float16 layers for what they are once they are float32', async () => {
    const half = makeTensor('dense', 'float16', [64, 10], new Uint16Array(640));
    const model = modelOf(
      [makeNode('MatMul', ['image', 'dense'], ['y'])],
      [half],
      [makeValueInfo('y', 'float16', [1])],
    );
    assert.deepEqual((await report(model)).layers[0]?.methods, {
      'dynamic INT8': 'yes',
      'static INT8': 'yes',
      'weight-only INT4': 'yes',
      FP16: 'its weights are float16 already',
    });
  });

  it('prints tables with the largest layers, and how to see the rest', async () => {
    const { code, out } = await inspect(network, '--layers', '1');
    assert.equal(code, 0);
    assert.match(out, /^Opsets +ai\.onnx 17$/m);
    assert.match(out, /^Parameters +752 in 3\.01 KB$/m);
    assert.match(out, /^input +image +float32 +\[batch, 3, 8, 8\]$/m);
    assert.match(out, /^y +MatMul +float32 \[64, 10\] +640 +2\.56 KB +85 % +1\.28 K +dyn8 qdq8 w4 fp16$/m);
    assert.match(out, /^\.\. and 1 more \(--layers 2\)$/m);
    assert.match(out, /^Batching +Probably: axis 0 of all inputs and outputs is variable\./m);
  });

  it('warns of NaN weights, foreign operators, strings and sequences', async () => {
    const nan = makeTensor('w', 'float32', [2], Float32Array.of(1, Number.NaN));
    const bytes = modelOf(
      [makeNode('Thing', ['image', 'w'], ['y'], {}, { domain: 'own' })],
      [nan],
      [makeValueInfo('y', 'string', ['batch'])],
    );
    const { warnings, problems } = await report(bytes);
    assert.deepEqual(problems, []);
    assert.deepEqual(warnings, [
      'Operators of "own" (Thing) are not part of ONNX Runtime.',
      'The domain "own" of Thing is not imported.',
      '"y" holds strings: it is slower than numbers and cannot be quantized.',
      'Weight "w" has NaN or infinite values.',
    ]);
  });

  it('shows what it can of a damaged file, and exits with 1', async () => {
    const cut = await inspect(network.slice(0, -900), '--json');
    assert.equal(cut.code, 1);
    const found: ModelReport = JSON.parse(cut.out);
    assert.deepEqual(found.problems[0], 'The model file is malformed: it ends inside a field.');
    assert.ok(found.operators.some(({ operator }) => operator === 'Conv'));
    const dangling = await inspect(
      modelOf([makeNode('Relu', ['nothing'], ['y'])], [], [makeValueInfo('y', 'float32', [1])]),
    );
    assert.equal(dangling.code, 1);
    assert.match(dangling.out, /^Problems\n {2}The input "nothing" of node "y" \(Relu\) is made by nothing\.$/m);
  });

  it('says in one sentence when there is nothing to show', async () => {
    const { code, out, err } = await inspect(Buffer.from('no model at all'));
    assert.deepEqual([code, out], [1, '']);
    assert.match(err, /^hotpath: The model file is malformed: .*\n$/);
    await assert.rejects(inspect(network, '--layers', 'many'), UsageError);
    await assert.rejects(inspect(network, 'second.onnx'), UsageError);
  });
});
