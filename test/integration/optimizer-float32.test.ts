/** Float16 models as float32 ones, for the passes that want those: same callers, same answers, and what `optimize` makes of them. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { buildPerceptron } from '../../bench/models/perceptron.ts';
import { run } from '../../src/cli/optimize.ts';
import { createStyle } from '../../src/cli/terminal.ts';
import { elementCount, type Tensor } from '../../src/core/tensor.ts';
import { float, int, makeNode, makeTensor, tensor } from '../../src/onnx-file/model.ts';
import { floatToHalf } from '../../src/onnx-file/small-floats.ts';
import { convertTensor } from '../../src/optimizer/data/convert.ts';
import type { Graph } from '../../src/optimizer/graph/graph.ts';
import { graphFromBytes, loadModel } from '../../src/optimizer/graph/load.ts';
import { bodyOf, graphWithIf, ifNode } from '../../src/optimizer/graph/testing/bodies.ts';
import { bytesOf } from '../../src/optimizer/graph/testing/small-models.ts';
import type { Dataset } from '../../src/optimizer/pass.ts';
import { float16 } from '../../src/optimizer/passes/float16.ts';
import { float32 } from '../../src/optimizer/passes/float32.ts';
import { furtherTraining } from '../../src/optimizer/passes/further-training.ts';
import { pruneMagnitude } from '../../src/optimizer/passes/prune-magnitude.ts';
import type { OptimizeResult } from '../../src/optimizer/plan/result.ts';
import { sqnrDb } from '../../src/optimizer/quantize/sqnr.ts';
import { fixture, withoutFixtures } from './support/engine-harness.ts';
import { datasetOf, normalValues, passContext, runRows, testRunner } from './support/optimizer-runner.ts';

const context = passContext(undefined);
const singles = (name: string, tensor: Tensor) => convertTensor(name, tensor, 'float32').data as Float32Array;

function halfRows(input: string, shape: readonly number[]): Dataset {
  const values: Tensor = { datatype: 'float32', shape, data: normalValues(elementCount(shape)) };
  return datasetOf({ [input]: convertTensor(input, values, 'float16') });
}

async function compareHalves(origin: Uint8Array | string, graph: Graph, data: Dataset, output: string) {
  const [expected, found] = [await runRows(origin, data), await runRows(graph.check().toBytes(), data)];
  assert.equal(found[output]!.datatype, 'float16');
  return sqnrDb(singles(output, expected[output]!), singles(output, found[output]!));
}

const halfConstants = (graph: Graph) => graph.initializers.filter(({ datatype }) => datatype === 'float16');

describe('a float16 model as float32', () => {
  it('answers as before, to callers who give and get float16', { skip: withoutFixtures }, async () => {
    const path = fixture('classify/squeezenet_fp16/SqueezeNet_fp16.onnx');
    const graph = loadModel(path);
    const report = await float32(graph, {}, context);
    assert.deepEqual([report.changed.length, report.skipped, report.notes], [66, [], []]);
    assert.deepEqual(halfConstants(graph), []);
    assert.ok((await compareHalves(path, graph, halfRows('data_0', [1, 3, 224, 224]), 'softmaxout_1')) > 60);
  });

  it('follows casts, fillings and quantization, and leaves what says its own type', async () => {
    const ten = (value: number) => tensor(makeTensor('v', 'float16', [1], Uint16Array.of(floatToHalf(value))));
    const model = bytesOf(
      [
        makeNode('Constant', [], ['two'], { value: ten(2) }),
        makeNode('Shape', ['x'], ['shape']),
        makeNode('ConstantOfShape', ['shape'], ['threes'], { value: ten(3) }),
        makeNode('EyeLike', ['x'], ['eye'], { dtype: int(10) }),
        makeNode('RandomNormalLike', ['x'], ['noise'], { scale: float(1e-4), seed: float(1) }),
        makeNode('Cast', ['shape'], ['sizes'], { to: int(10) }),
        makeNode('Cast', ['x'], ['exact'], { to: int(1) }),
        makeNode('Exp', ['exact'], ['grown']),
        makeNode('Cast', ['grown'], ['back'], { to: int(10) }),
        makeNode('Mul', ['x', 'two'], ['a']),
        makeNode('Add', ['a', 'threes'], ['b']),
        makeNode('Add', ['b', 'eye'], ['d']),
        makeNode('Mul', ['d', 'sizes'], ['e']),
        makeNode('Add', ['e', 'noise'], ['f']),
        makeNode('Div', ['f', 'back'], ['y']),
      ],
      [],
      'y',
      'float16',
    );
    const graph = graphFromBytes(model);
    const report = await float32(graph, {}, context);
    assert.deepEqual(
      report.skipped.map(({ opType, what }) => [opType, what]),
      [
        ['EyeLike', 'stays float16'],
        ['RandomNormalLike', 'stays float16'],
      ],
    );
    assert.ok((await compareHalves(model, graph, halfRows('x', [2, 2]), 'y')) > 55);
    // x, the two that stay, and y: no more casts than those and the three of the model itself.
    assert.equal(graph.nodes.filter(({ opType }) => opType === 'Cast').length, 4 + 3);
  });

  it('leaves bodies and operators of strangers as they are', async () => {
    const choice = ifNode(
      'y',
      bodyOf([makeNode('Abs', ['h'], ['abs'])], 'abs', 'float16'),
      bodyOf([makeNode('Neg', ['h'], ['neg'])], 'neg', 'float16'),
    );
    const graph = graphWithIf([makeNode('Neg', ['x'], ['h']), makeNode('Exp', ['h'], ['k'])], choice, [], 'float16');
    const origin = graph.toBytes();
    const report = await float32(graph, {}, context);
    assert.deepEqual(
      [report.changed, report.skipped].map((layers) => layers.map(({ opType, what }) => `${opType} ${what}`)),
      [['Neg computes in float32', 'Exp computes in float32'], ['If its bodies stay float16']],
    );
    assert.ok((await compareHalves(origin, graph, halfRows('x', [4, 2]), 'y')) > 60);
  });

  it('can be trained further on what the float16 model answers', async () => {
    const original = graphFromBytes(buildPerceptron({ name: 'net', width: 32, classes: 10 }, 3));
    await float16(original, { keepIoTypes: false }, context);
    const graph = original.clone();
    const calibration = halfRows('features', [600, 32]);
    await float32(graph, {}, context);
    await pruneMagnitude(graph, { share: 0.5 }, passContext(calibration));
    const before = await compareHalves(original.toBytes(), graph, calibration, 'logits');
    const settings = { steps: 200, learningRate: 0.002, keepZeros: true };
    const report = await furtherTraining(graph, settings, passContext(calibration, { original }));
    assert.equal(report.changed.length, 8, report.notes.join());
    const after = await compareHalves(original.toBytes(), graph, calibration, 'logits');
    assert.ok(after > before + 1, `${before} dB before, ${after} dB after`);
  });

  it('is nothing to do for other models', async () => {
    const graph = graphFromBytes(bytesOf([makeNode('Neg', ['x'], ['y'])]));
    const before = graph.toBytes();
    const report = await float32(graph, {}, context);
    assert.deepEqual([report.changed, report.notes], [[], ['The model has no float16 values.']]);
    assert.deepEqual(graph.toBytes(), before);
  });
});

describe('hotpath optimize of a float16 model', () => {
  it('makes every kind of variant, compared with the answers of the float16 model', async (test) => {
    const folder = mkdtempSync(join(tmpdir(), 'hotpath-float32-'));
    test.after(() => rmSync(folder, { recursive: true, force: true }));
    const graph = graphFromBytes(buildPerceptron({ name: 'net', width: 64, classes: 10 }, 3));
    await float16(graph, { keepIoTypes: false }, context);
    const path = join(folder, 'net.onnx');
    writeFileSync(path, graph.check().toBytes());
    const values = normalValues(400 * 64, 8);
    const rows = Array.from({ length: 400 }, (_, row) => [...values.subarray(64 * row, 64 * row + 64)]);
    const data = join(folder, 'rows.jsonl');
    writeFileSync(data, rows.map((features) => JSON.stringify({ features })).join('\n'));
    const passes = 'dynamic-int8,static-int8,gptq-int4,pruned,fp16-weights';
    const out: string[] = [];
    const terminal = { out: (text: string) => void out.push(text), err: () => {}, style: createStyle(false) };
    const flags = ['--passes', passes, '--target', 'size', '--max-drop', '15%', '--seconds', '0.2', '--json'];
    const code = await run([path, '--data', data, ...flags, '--out', join(folder, 'out')], { terminal, env: {} });
    const { variants } = JSON.parse(out.join('\n')) as OptimizeResult;
    const found = variants.map(({ id, state, verdict }) => [id, state, state === 'unchanged' ? verdict.reason : '']);
    assert.deepEqual(found, [
      ['original', 'original', ''],
      ['dynamic-int8', 'passed', ''],
      ['static-int8', 'passed', ''],
      ['gptq-int4', 'passed', ''],
      ['pruned', 'refused', ''],
      ['fp16-weights', 'unchanged', 'The weights are float16 already.'],
    ]);
    assert.ok(variants[1]!.sizeBytes < 0.75 * variants[0]!.sizeBytes, `${variants[1]!.sizeBytes} bytes`);
    assert.equal(code, 0);
    const model = await testRunner.open(join(folder, 'out', 'net', '1', 'model.onnx'));
    assert.deepEqual(
      [...model.inputs, ...model.outputs].map(({ datatype }) => datatype),
      ['float16', 'float16'],
    );
    await model.close();
  });
});
