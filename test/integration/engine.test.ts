import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { describe, it } from 'node:test';
import type { HotpathError } from '../../src/core/errors.ts';
import type { Datatype, Tensor, TensorData } from '../../src/core/tensor.ts';
import { datatypes } from '../../src/core/tensor.ts';
import { makeNode, makeValueInfo } from '../../src/onnx-file/model.ts';
import { fixture, modelBytes, startHarness, tensor, withoutFixtures } from './support/engine-harness.ts';

/** Values at the edges of each datatype. */
const samples: Record<Datatype, TensorData> = {
  float32: Float32Array.of(1.5, -0, Number.NaN, Number.POSITIVE_INFINITY, 1e-45),
  float64: Float64Array.of(Math.PI, -0, Number.NaN, Number.NEGATIVE_INFINITY, 5e-324),
  float16: Uint16Array.of(0x3c00, 0x8000, 0x7e00, 0x7c00, 1),
  int8: Int8Array.of(-128, -1, 0, 1, 127),
  int16: Int16Array.of(-32768, -1, 0, 1, 32767),
  int32: Int32Array.of(-(2 ** 31), -1, 0, 1, 2 ** 31 - 1),
  int64: BigInt64Array.of(-(2n ** 63n), -1n, 0n, 2n ** 53n + 1n, 2n ** 63n - 1n),
  uint8: Uint8Array.of(0, 1, 2, 128, 255),
  uint16: Uint16Array.of(0, 1, 2, 32768, 65535),
  uint32: Uint32Array.of(0, 1, 2, 2 ** 31, 2 ** 32 - 1),
  uint64: BigUint64Array.of(0n, 1n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n),
  bool: Uint8Array.of(0, 1, 1, 0, 1),
  string: ['', 'a', 'é', '漢字 😀', 'line\nbreak'],
};

function identity(datatype: Datatype, ...dims: (number | string)[]): Uint8Array {
  return modelBytes({
    nodes: [makeNode('Identity', ['x'], ['y'])],
    inputs: [makeValueInfo('x', datatype, dims)],
    outputs: [makeValueInfo('y', datatype, dims)],
  });
}

/** As text, because -0 and NaN must survive too. */
const bytesOf = (data: TensorData): string =>
  Array.isArray(data)
    ? JSON.stringify(data)
    : Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex');

describe('tensors through a worker', () => {
  it('carries every datatype there and back, bit for bit', async (test) => {
    const { open } = await startHarness(test);
    await Promise.all(
      datatypes.map(async (datatype) => {
        const model = await open(identity(datatype, 'n'));
        const sample = samples[datatype];
        const expected = bytesOf(sample);
        const { outputs } = await model.instances[0]!.run([tensor(datatype, [5], sample.slice() as TensorData)]);
        assert.deepEqual(model.signature.inputs[0], { name: 'x', datatype, shape: [-1] });
        assert.equal(outputs[0]!.datatype, datatype);
        assert.equal(outputs[0]!.data.constructor, sample.constructor, datatype);
        assert.equal(bytesOf(outputs[0]!.data), expected, datatype);
        await model.close();
      }),
    );
  });

  it('carries 0-d and empty tensors', async (test) => {
    const { open } = await startHarness(test);
    const scalar = await open(identity('float32'));
    const [one] = (await scalar.instances[0]!.run([tensor('float32', [], Float32Array.of(3))])).outputs;
    assert.deepEqual(one, tensor('float32', [], Float32Array.of(3)));
    for (const datatype of ['float32', 'int64', 'string'] as const) {
      const model = await open(identity(datatype, 'n', 3));
      const data = datatype === 'string' ? [] : (samples[datatype].slice(0, 0) as TensorData);
      const [none] = (await model.instances[0]!.run([tensor(datatype, [0, 3], data)])).outputs;
      assert.deepEqual(none, tensor(datatype, [0, 3], data));
    }
  });

  it('takes inputs in signature order and gives the wanted outputs in the wanted order', async (test) => {
    const { open } = await startHarness(test);
    const model = await open(
      modelBytes({
        nodes: [makeNode('Sub', ['a', 'b'], ['difference']), makeNode('Add', ['a', 'b'], ['sum'])],
        inputs: [makeValueInfo('a', 'float32', ['n']), makeValueInfo('b', 'float32', ['n'])],
        outputs: [makeValueInfo('difference', 'float32', ['n']), makeValueInfo('sum', 'float32', ['n'])],
      }),
    );
    const inputs = (): Tensor[] => [
      tensor('float32', [1], Float32Array.of(5)),
      tensor('float32', [1], Float32Array.of(3)),
    ];
    const [instance] = model.instances;
    const all = await instance!.run(inputs());
    assert.deepEqual(
      all.outputs.map(({ data }) => data[0]),
      [2, 8],
    );
    assert.ok(all.inferMs > 0);
    const some = await instance!.run(inputs(), ['sum', 'difference']);
    assert.deepEqual(
      some.outputs.map(({ data }) => data[0]),
      [8, 2],
    );
    const one = await instance!.run(inputs(), ['sum']);
    assert.deepEqual(
      one.outputs.map(({ data }) => data[0]),
      [8],
    );
  });

  it('reports what the runtime refuses and stays usable', async (test) => {
    const { open } = await startHarness(test);
    const target = identity('float32', 'n', 3);
    const model = await open(target);
    const instance = model.instances[0]!;
    const refused: [Tensor[], readonly string[] | undefined, RegExp][] = [
      [[tensor('float32', [1, 4], new Float32Array(4))], undefined, /invalid dimensions for input: x/],
      [[tensor('float32', [1, 3], new Float32Array(2))], undefined, /Input x has 2 elements/],
      [[tensor('float32', [1, 3], new Int32Array(3))], undefined, /typed array/],
      [[tensor('string', [1, 3], ['a', 'b', 'c'])], undefined, /refused its input/],
      [[], undefined, /takes 1 inputs and got 0/],
      [[tensor('float32', [1, 3], new Float32Array(3))], ['nope'], /no output nope/],
    ];
    for (const [inputs, outputs, message] of refused) {
      await assert.rejects(instance.run(inputs, outputs), (error: HotpathError) => {
        assert.equal(error.code, 'ENGINE_FAILED');
        assert.match(error.message, message);
        return true;
      });
    }
    assert.equal(instance.available, true);
    const { outputs } = await instance.run([tensor('float32', [1, 3], Float32Array.of(1, 2, 3))]);
    assert.deepEqual(outputs[0]!.data, Float32Array.of(1, 2, 3));
  });

  it('refuses a string the runtime would cut at its NUL', async (test) => {
    const { open } = await startHarness(test);
    const { instances } = await open(identity('string', 'n'));
    await assert.rejects(instances[0]!.run([tensor('string', [1], ['a\0b'])]), {
      code: 'ENGINE_FAILED',
      message: /NUL/,
    });
  });
});

describe('third-party models', { skip: withoutFixtures }, () => {
  it('fetches only the tensors of scikit-learn exports that end in a ZipMap', async (test) => {
    const { open } = await startHarness(test);
    const model = await open(fixture('tabular/sklearn_docs_2022/rf_iris.onnx'));
    assert.deepEqual(model.signature.skippedOutputs, ['output_probability']);
    const rows = Float32Array.of(5.1, 3.5, 1.4, 0.2, 6.7, 3, 5.2, 2.3);
    const { outputs } = await model.instances[0]!.run([tensor('float32', [2, 4], rows)]);
    assert.deepEqual(outputs, [tensor('int64', [2], BigInt64Array.of(0n, 2n))]);
  });

  it('mixes strings, integers and floats in one pipeline', async (test) => {
    const { open } = await startHarness(test);
    const model = await open(fixture('tabular/sklearn_docs_2022/pipeline_titanic_nozipmap.onnx'));
    const { outputs } = await model.instances[0]!.run([
      tensor('int64', [2, 1], BigInt64Array.of(1n, 3n)),
      tensor('string', [2, 1], ['female', 'male']),
      tensor('float32', [2, 1], Float32Array.of(29, 40)),
      tensor('float32', [2, 1], Float32Array.of(211, 8)),
      tensor('string', [2, 1], ['S', 'S']),
    ]);
    assert.deepEqual(outputs[0], tensor('int64', [2], BigInt64Array.of(1n, 0n)));
    const probabilities = outputs[1]!.data as Float32Array;
    for (const row of [0, 1]) assert.ok(Math.abs(probabilities[2 * row]! + probabilities[2 * row + 1]! - 1) < 1e-5);
  });

  it('runs the one-datatype models', async (test) => {
    const { open } = await startHarness(test);
    const names: Partial<Record<Datatype, string>> = { float32: 'float', float64: 'double' };
    for (const datatype of datatypes) {
      const model = await open(fixture(`odd/ort_types/test_types_${names[datatype] ?? datatype}.onnx`));
      const shape = model.signature.inputs[0]!.shape;
      const sample = samples[datatype].slice(0, shape[1]) as TensorData;
      const expected = bytesOf(sample);
      const { outputs } = await model.instances[0]!.run([tensor(datatype, shape, sample)]);
      assert.equal(bytesOf(outputs[0]!.data), expected, datatype);
      await model.close();
    }
  });

  it('recognises a kitten in half precision', async (test) => {
    const { open } = await startHarness(test);
    const model = await open(fixture('classify/squeezenet_fp16/SqueezeNet_fp16.onnx'));
    const { outputs } = await model.instances[0]!.run([
      tensor('float16', [1, 3, 224, 224], new Uint16Array(3 * 224 * 224).fill(0x3800)),
    ]);
    assert.equal(outputs[0]!.datatype, 'float16');
    assert.deepEqual(outputs[0]!.shape, [1, 1000, 1, 1]);
    assert.ok(outputs[0]!.data instanceof Uint16Array);
  });

  const broken: [string, RegExp][] = [
    ['odd/ort/mul_1.noopset.onnx', /Missing opset/],
    ['odd/ort/custom_mul.onnx', /No opset import for domain/],
    ['odd/ort/foo_1.onnx', /not a registered function/],
    ['odd/ort/sequence_construct.onnx', /No output of the model is a tensor/],
  ];
  for (const [path, reason] of broken) {
    it(`refuses ${path} with a reason`, async (test) => {
      const { probe } = await startHarness(test);
      await assert.rejects(probe(fixture(path)), (error: HotpathError) => {
        assert.equal(error.code, 'MODEL_FAILED');
        assert.match(error.message, reason);
        assert.ok(!error.message.includes(dirname(path)), error.message);
        return true;
      });
    });
  }
});

describe('files that are no models', () => {
  const whole = identity('float32', 'n', 3);
  const cases: Record<string, Uint8Array> = {
    empty: new Uint8Array(),
    garbage: Uint8Array.from({ length: 5000 }, (_, index) => (index * 131) & 255),
    truncated: whole.slice(0, whole.length - 7),
    'cut in half': whole.slice(0, whole.length >> 1),
    text: Buffer.from('version https://git-lfs.github.com/spec/v1\n'),
  };
  for (const [name, bytes] of Object.entries(cases)) {
    it(`refuses an ${name} file, without naming its path`, async (test) => {
      const { engine, spec, folder } = await startHarness(test);
      const target = await spec(bytes);
      const failed = (error: HotpathError): boolean => {
        assert.equal(error.code, 'MODEL_FAILED');
        assert.ok(!error.message.includes(folder), error.message);
        return true;
      };
      await assert.rejects(engine.probe(target), failed);
      await assert.rejects(engine.load(target, { inputs: [], outputs: [], skippedOutputs: [] }), failed);
    });
  }

  it('refuses a file that is not there', async (test) => {
    const { probe, folder } = await startHarness(test);
    await assert.rejects(probe(`${folder}/none.onnx`), { code: 'MODEL_FAILED', message: /File doesn't exist/ });
  });

  it('refuses a file that changed between probe and load', async (test) => {
    const { engine, spec, probe } = await startHarness(test);
    const { signature } = await probe(identity('float32', 'n', 3));
    await assert.rejects(engine.load(await spec(identity('float32', 'n', 4)), signature), {
      code: 'MODEL_FAILED',
      message: /changed/,
    });
  });
});

describe('execution providers without hardware', () => {
  it('says what a missing provider needs', { skip: process.platform !== 'linux' && 'linux only' }, async (test) => {
    const { probe } = await startHarness(test);
    await assert.rejects(probe(identity('float32', 'n'), { executionProviders: ['cuda'] }), (error: HotpathError) => {
      assert.equal(error.code, 'MODEL_FAILED');
      assert.match(error.message, /CUDA needs|CUDA found no/);
      return true;
    });
  });

  it('falls back to the cpu when allowed, and says so', async (test) => {
    const { probe } = await startHarness(test);
    const report = await probe(identity('float32', 'n'), { executionProviders: ['tensorrt'], fallbackToCpu: true });
    if (report.executionProvider === 'tensorrt') return;
    assert.equal(report.executionProvider, 'cpu');
    assert.match(report.notes.join(), /TensorRT .*running on cpu/);
  });
});
