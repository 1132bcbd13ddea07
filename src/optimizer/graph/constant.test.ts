import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ElementType } from '../../onnx-file/element-type.ts';
import { concatBytes, writeFields } from '../../onnx-file/fields.ts';
import { float, floats, int, ints, makeNode, makeTensor, string, strings, tensor } from '../../onnx-file/model.ts';
import { elementTypes, fields } from '../../onnx-file/schema.ts';
import type { WireWriter } from '../../onnx-file/wire-writer.ts';
import type { Constant } from './constant.ts';
import { constantFrom } from './constant.ts';
import { noExternalFiles } from './external-files.ts';
import { readConstant } from './read-constant.ts';
import { graphOf } from './testing/small-models.ts';

/** A TensorProto as an old or foreign exporter writes it. */
function stored(datatype: ElementType, dims: readonly number[], fill: (writer: WireWriter) => void): Constant {
  const message = writeFields((writer) => {
    for (const dim of dims) writer.int(fields.tensor.dims, dim);
    writer.int(fields.tensor.dataType, elementTypes[datatype]);
    writer.string(fields.tensor.name, 't');
    fill(writer);
  });
  return readConstant(concatBytes(message.map(({ bytes }) => bytes)), noExternalFiles);
}

describe('a constant gives its values', () => {
  it('from raw data at any alignment', () => {
    const buffer = new Uint8Array(17);
    buffer.set(new Uint8Array(Float32Array.of(1.5, -2, 3, 4).buffer), 1);
    const raw = buffer.subarray(1);
    const constant = constantFrom({ name: 't', datatype: 'float32', dims: [4], raw });
    assert.deepEqual([...constant.floats()], [1.5, -2, 3, 4]);
    assert.equal(constant.raw().buffer, buffer.buffer);
  });

  it('from the typed fields of old files, packed and one by one', () => {
    const key = fields.tensor;
    assert.deepEqual([...stored('float32', [2], (w) => w.packedFloats(key.floatData, [0.5, -1])).floats()], [0.5, -1]);
    const single = stored('float32', [2], (w) => [w.float(key.floatData, 0.5), w.float(key.floatData, -1)]);
    assert.deepEqual([...single.floats()], [0.5, -1]);
    // FP16 sits in int32_data as its patterns.
    assert.deepEqual(
      [...stored('float16', [2], (w) => w.packedInts(key.int32Data, [0x3c00, 0xc000])).floats()],
      [1, -2],
    );
    assert.deepEqual([...stored('bfloat16', [1], (w) => w.int(key.int32Data, 0x3f80)).floats()], [1]);
    assert.deepEqual([...stored('int8', [2], (w) => w.packedInts(key.int32Data, [-3, 5])).data()], [-3, 5]);
    assert.deepEqual([...stored('bool', [2], (w) => w.packedInts(key.int32Data, [1, 0])).data()], [1, 0]);
    assert.deepEqual(
      [...stored('uint32', [1], (w) => w.packedInts(key.uint64Data, [2 ** 32 - 1])).data()],
      [2 ** 32 - 1],
    );
    assert.deepEqual(
      [...stored('int64', [2], (w) => w.packedInts(key.int64Data, [-1, 2n ** 62n])).data()],
      [-1n, 2n ** 62n],
    );
    assert.deepEqual(
      [...stored('uint64', [1], (w) => w.packedInts(key.uint64Data, [2n ** 64n - 1n])).data()],
      [2n ** 64n - 1n],
    );
    const double = stored('float64', [1], (w) => w.bytes(key.doubleData, new Uint8Array(Float64Array.of(0.1).buffer)));
    assert.deepEqual([...double.data()], [0.1]);
    assert.deepEqual(
      stored('string', [2], (w) => [w.string(key.stringData, 'ä'), w.string(key.stringData, '')]).data(),
      ['ä', ''],
    );
  });

  it('of the types that live only in models', () => {
    const of = (datatype: Exclude<ElementType, 'string'>, count: number, ...bytes: number[]) =>
      constantFrom(makeTensor('t', datatype, [count], Uint8Array.from(bytes)));
    assert.deepEqual([...of('int4', 3, 0xf7, 0x08).data()], [7, -1, -8]);
    assert.deepEqual([...of('uint4', 3, 0xf7, 0x08).floats()], [7, 15, 8]);
    assert.deepEqual([...of('int2', 5, 0b11_10_01_00, 0b10).data()], [0, 1, -2, -1, -2]);
    assert.deepEqual([...of('float8e4m3fn', 2, 0x38, 0xb8).floats()], [1, -1]);
    assert.deepEqual([...of('float4e2m1', 2, 0xf7).floats()], [6, -6]);
  });

  it('as numbers only where they are exact integers', () => {
    assert.deepEqual(constantFrom(makeTensor('t', 'int64', [2], BigInt64Array.of(-5n, 7n))).integers(), [-5, 7]);
    assert.throws(
      () => constantFrom(makeTensor('t', 'int64', [1], BigInt64Array.of(2n ** 60n))).integers(),
      /beyond 2\^53/,
    );
    assert.throws(() => constantFrom(makeTensor('t', 'float32', [1], Float32Array.of(1))).integers(), {
      code: 'INVALID_INPUT',
    });
  });

  it('but not when there are more or fewer than its dimensions say', () => {
    const short = stored('int32', [3], (w) => w.packedInts(fields.tensor.int32Data, [1, 2]));
    assert.throws(() => short.data(), {
      code: 'INVALID_INPUT',
      message: 'Tensor "t" has 2 elements where its dimensions say 3.',
    });
    assert.throws(
      () => stored('float32', [3], (w) => w.packedFloats(fields.tensor.floatData, [1, 2])).floats(),
      /"t" does not fit/,
    );
    assert.throws(
      () => stored('float32', [3], (w) => w.bytes(fields.tensor.rawData, new Uint8Array(8))),
      /"t" does not fit/,
    );
    assert.throws(() => stored('float32', [1], () => undefined), /"t" does not fit/);
  });
});

describe('a Constant node', () => {
  it('is a constant in every form', () => {
    const forms = {
      value: tensor(makeTensor('', 'float32', [1], Float32Array.of(2))),
      value_float: float(2),
      value_floats: floats([2]),
      value_int: int(2),
      value_ints: ints([2]),
    };
    for (const [name, attribute] of Object.entries(forms)) {
      const graph = graphOf([
        makeNode('Constant', [], ['c'], { [name]: attribute }),
        makeNode('Add', ['x', 'c'], ['y']),
      ]);
      assert.deepEqual([...graph.floats('c')], [2], name);
      assert.deepEqual(graph.constantOf('c')!.dims, /s$|value$/.test(name) ? [1] : [], name);
    }
    const texts = graphOf([
      makeNode('Constant', [], ['c'], { value_strings: strings(['a']) }),
      makeNode('Thing', ['x', 'c'], ['y']),
    ]);
    assert.deepEqual(texts.constantOf('c')!.data(), ['a']);
  });
});

describe('attributes of a node', () => {
  it('are read by type, and have the values of the caller where absent', () => {
    const attributes = {
      a: int(-1),
      b: float(0.5),
      c: string('x'),
      d: ints([-1, 3]),
      e: floats([1.5]),
      f: strings(['p', 'q']),
    };
    const [node] = graphOf([makeNode('Thing', ['x'], ['y'], attributes)]).nodes;
    assert.deepEqual([node!.int('a'), node!.float('b'), node!.text('c')], [-1, 0.5, 'x']);
    assert.deepEqual([node!.ints('d'), node!.floats('e'), node!.texts('f')], [[-1, 3], [1.5], ['p', 'q']]);
    assert.deepEqual(
      [node!.int('no', 4), node!.ints('no', [1]), node!.float('no'), node!.text('no', 'z')],
      [4, [1], undefined, 'z'],
    );
    assert.deepEqual(
      node!.attributeNames.map((name) => node!.attributeType(name)),
      ['int', 'float', 'string', 'ints', 'floats', 'strings'],
    );
  });
});
