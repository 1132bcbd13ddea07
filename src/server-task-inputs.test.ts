import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HotpathError } from './core/errors.ts';
import { encodeNamedTensors, namesHeader } from './core/predictions/named-tensors.ts';
import type { NamedTensor } from './core/tensor.ts';
import { readJsonRows } from './optimizer/data/json-rows.ts';
import { toFloat16Bits } from './protocols/codecs/float16.ts';
import { readLogLines } from './server-task-inputs.ts';

const question = { model: 'net', version: '1', hours: 2, top: 100, unixMs: 9_000_000, joinable: true };

function logOf(...requests: readonly (readonly NamedTensor[])[]) {
  const asked: unknown[] = [];
  const found = requests.map((tensors) => ({ inputs: encodeNamedTensors(namesHeader(tensors), tensors), count: 1 }));
  const store = {
    async frequentInputs(...given: unknown[]) {
      asked.push(given);
      return found;
    },
    list: async () => [],
  };
  return { store, asked };
}

const floats = (name: string, shape: readonly number[], ...values: number[]): NamedTensor => ({
  name,
  datatype: 'float32',
  shape,
  data: Float32Array.from(values),
});

async function linesOf(requests: readonly (readonly NamedTensor[])[], joinable = true): Promise<unknown[]> {
  const lines = await readLogLines(logOf(...requests).store, { ...question, joinable });
  return [...lines].map((line) => JSON.parse(line).inputs);
}

describe('inputs of the prediction log', () => {
  it('are those of the last hours, a line per row', async () => {
    const { store, asked } = logOf([floats('x', [2, 2], 1, 2, 3, 4.5)], [floats('x', [1, 2], 5, 6)]);
    const lines = [...(await readLogLines(store, question))];
    assert.deepEqual(asked, [['net', '1', 1_800_000, 100]]);
    assert.deepEqual(lines, [
      '{"inputs":{"x":{"shape":[1,2],"data":[1,2]}}}',
      '{"inputs":{"x":{"shape":[1,2],"data":[3,4.5]}}}',
      '{"inputs":{"x":{"shape":[1,2],"data":[5,6]}}}',
    ]);
  });

  it('stay as they are where rows cannot be taken apart', async () => {
    const whole = [{ x: { shape: [2, 1], data: [1, 2] } }];
    assert.deepEqual(await linesOf([[floats('x', [2, 1], 1, 2)]], false), whole);
    const unequal = [[floats('a', [2, 1], 1, 2), floats('b', [3, 1], 3, 4, 5)]];
    assert.deepEqual(await linesOf(unequal), [
      { a: { shape: [2, 1], data: [1, 2] }, b: { shape: [3, 1], data: [3, 4, 5] } },
    ]);
  });

  it('keep the values of every datatype, and leave out what no row may hold', async () => {
    const tensors: readonly NamedTensor[] = [
      { name: 'half', datatype: 'float16', shape: [1, 2], data: Uint16Array.of(toFloat16Bits(1.5), toFloat16Bits(-2)) },
      { name: 'long', datatype: 'int64', shape: [1, 1], data: BigInt64Array.of(-7n) },
      { name: 'flag', datatype: 'bool', shape: [1, 2], data: Uint8Array.of(0, 1) },
      { name: 'text', datatype: 'string', shape: [1, 1], data: ['é"'] },
    ];
    const bad = [
      [floats('x', [1, 1], Number.NaN)],
      [floats('x', [1, 1], Number.POSITIVE_INFINITY)],
      [floats('x', [0, 1])],
    ];
    const [only, ...more] = await linesOf([...bad, tensors]);
    assert.deepEqual(more, []);
    assert.deepEqual(only, {
      half: { shape: [1, 2], data: [1.5, -2] },
      long: { shape: [1, 1], data: [-7] },
      flag: { shape: [1, 2], data: [0, 1] },
      text: { shape: [1, 1], data: ['é"'] },
    });
  });

  it('are rows that the optimizer reads', async () => {
    const { store } = logOf([floats('x', [3, 2], 1, 2, 3, 4, 5, 6)]);
    const text = [...(await readLogLines(store, question))].join('\n');
    const rows = readJsonRows([{ name: 'x', datatype: 'float32', shape: [-1, 2] }], text);
    assert.deepEqual([rows.rows, rows.joinable], [3, true]);
    assert.deepEqual(rows.slice(1, 2).x!.data, Float32Array.of(3, 4, 5, 6));
  });

  it('are refused by the field that asks for them, where there is no log or nothing in it', async () => {
    const about = (pattern: RegExp) => (error: unknown) =>
      error instanceof HotpathError && error.details!.field === 'hours' && pattern.test(error.message);
    await assert.rejects(readLogLines(undefined, question), about(/keeps no log of predictions/));
    await assert.rejects(readLogLines(logOf().store, question), about(/no inputs of "net" .* last 2 hours/));
  });
});
