import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { TensorSpec } from '../../core/tensor.ts';
import { readJson } from '../codecs/read-json.ts';
import { jsonCall } from './infer-call.ts';
import { readInferJson } from './infer-json.ts';
import { quoteOddNumbers } from './quote-odd-numbers.ts';
import { modelView, refusal } from './testing/oip-fixtures.ts';

describe('readInferJson', () => {
  const read = (text: string) => readInferJson(Buffer.from(text), 10);

  it('takes bare NaN and infinities in lists as strings', () => {
    const { data, id } = read('{"id":"NaN ,","data":[[NaN, 1],[Infinity,-Infinity ],\n[-0,"NaN"]]}') as {
      data: unknown;
      id: unknown;
    };
    assert.deepEqual(data, [
      ['NaN', 1],
      ['Infinity', '-Infinity'],
      [-0, 'NaN'],
    ]);
    assert.equal(id, 'NaN ,');
  });

  it('refuses them elsewhere, and what is no JSON besides, with positions in the text that was sent', () => {
    for (const text of ['{"a":NaN}', 'NaN', '[NaN1]', '[-NaN]', '[infinity]'])
      assert.match(refusal(() => read(text)).message, /not valid JSON/);
    assert.match(refusal(() => read('[NaN,}')).message, /at position 1\./);
    assert.match(refusal(() => read(`${'['.repeat(11)}NaN${']'.repeat(11)}`)).message, /deeper than 10/);
    assert.match(refusal(() => read(`[NaN,"${'x'.repeat(200_000)}"]`)).message, /not valid JSON/);
  });

  it('reads all other JSON as the plain reader does', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        const attempt = (act: () => unknown): unknown => {
          try {
            return act();
          } catch (error) {
            return (error as Error).message;
          }
        };
        fc.pre(!/NaN|Infinity/.test(text));
        assert.deepEqual(
          attempt(() => read(text)),
          attempt(() => readJson(Buffer.from(text), 10)),
        );
      }),
    );
  });
});

describe('quoteOddNumbers', () => {
  it('leaves a text without odd numbers alone, whatever its strings hold', () => {
    const plain = '{"a":[123456789012345,1.234567890123456789,1e20,"NaN","\\"[NaN]",true],"b":12345678901234567890}';
    assert.equal(quoteOddNumbers(plain), undefined);
    assert.equal(
      quoteOddNumbers('[-1234567890123456,{"a":1234567890123456}]'),
      '["-1234567890123456",{"a":1234567890123456}]',
    );
  });

  it('ends for any text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('[', ']', '{', '}', '"', '\\', 'N', 'NaN', '9'.repeat(16), ',', ':') }),
        (text) => void quoteOddNumbers(text),
      ),
    );
  });
});

describe('64-bit integers as JSON numbers', () => {
  const spec = (name: string, datatype: TensorSpec['datatype']): TensorSpec => ({ name, datatype, shape: [-1] });
  const model = modelView([spec('i', 'int64'), spec('u', 'uint64'), spec('f', 'float64')]);
  const limits = { maxDims: 2, maxInputs: 3 };
  const tensors = (i: string, u: string, f = '[1e300]') => {
    const input = (name: string, datatype: string, data: string) =>
      `{"name":"${name}","shape":[${JSON.parse(data).length}],"datatype":"${datatype}","data":${data}}`;
    const source = Buffer.from(
      `{"inputs":[${input('i', 'INT64', i)},${input('u', 'UINT64', u)},${input('f', 'FP64', f)}]}`,
    );
    return jsonCall(readJson(source, 10), new Uint8Array(), { model: 'm', version: undefined }, limits, source)
      .decode(model)
      .map(({ data }) => [...data]);
  };

  it('keep every digit', () => {
    const wide = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    fc.assert(
      fc.property(fc.array(wide), fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })), (i, u) => {
        assert.deepEqual(tensors(`[${i}]`, `[${u}]`).slice(0, 2), [i, u]);
      }),
    );
  });

  it('do not change how long floats are read', () => {
    assert.deepEqual(tensors('[9223372036854775807]', '[]', '[12345678901234567890]'), [
      [2n ** 63n - 1n],
      [],
      [Number('12345678901234567890')],
    ]);
  });

  it('are refused beyond 64 bits', () => {
    assert.match(
      refusal(() => tensors('[9223372036854775808]', '[]')).message,
      /^inputs\.i\.data\[0\]: expected a 64-bit integer/,
    );
    assert.match(
      refusal(() => tensors('[1]', '[-1]')).message,
      /^inputs\.u\.data\[0\]: expected an unsigned 64-bit integer/,
    );
  });
});
