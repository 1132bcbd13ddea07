import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FrequentInput, PredictionFilter, PredictionSummary } from '../../ports/prediction-store.ts';
import { encodeNamedTensors, namesHeader } from '../predictions/named-tensors.ts';
import type { NamedTensor } from '../tensor.ts';
import type { ModelView } from '../types.ts';
import { frequentInputs } from './frequent-inputs.ts';

const view: ModelView = {
  name: 'iris',
  version: '1',
  signature: {
    inputs: [{ name: 'features', datatype: 'float32', shape: [-1, 2] }],
    outputs: [],
    skippedOutputs: [],
  },
  batchable: true,
  labels: undefined,
  nan: 'reject',
};

const row = (...values: number[]) => ({
  name: 'features',
  datatype: 'float32' as const,
  shape: [1, values.length],
  data: Float32Array.from(values),
});

/** As the prediction log keeps inputs. */
const keep = (tensors: readonly NamedTensor[]): Uint8Array => encodeNamedTensors(namesHeader(tensors), tensors);

/** A store that remembers inputs by version. */
function storeOf(inputs: Record<string, readonly Uint8Array[]>, newest?: string) {
  const asked: unknown[] = [];
  return {
    asked,
    async frequentInputs(model: string, version: string, fromMs: number, limit: number): Promise<FrequentInput[]> {
      asked.push([model, version, fromMs, limit]);
      return (inputs[version] ?? []).slice(0, limit).map((bytes, index) => ({ inputs: bytes, count: 10 - index }));
    },
    async list(filter: PredictionFilter, limit: number): Promise<PredictionSummary[]> {
      assert.deepEqual([filter.status, limit], ['OK', 1]);
      return newest === undefined ? [] : [{ version: newest } as PredictionSummary];
    },
  };
}

const request = { model: 'iris', version: '1', fromMs: 123, limit: 10 };

describe('frequentInputs', () => {
  it('gives the recorded tensors to the last bit, anew for every try', async () => {
    const store = storeOf({ 1: [keep([row(1.5, -0)]), keep([row(3, 4)])] });
    const items = await frequentInputs(store, request);
    assert.deepEqual(store.asked, [['iris', '1', 123, 10]]);
    assert.deepEqual(
      items.map(({ name, maySkip }) => [name, maySkip]),
      [
        ['frequent input 1', true],
        ['frequent input 2', true],
      ],
    );
    const [first, again] = [items[0]!.makeCall(), items[0]!.makeCall()];
    assert.deepEqual([first.model, first.version], ['iris', '1']);
    assert.deepEqual(first.decode(view), [row(1.5, -0)]);
    assert.deepEqual(again.decode(view), [row(1.5, -0)]);
  });

  it('refuses what does not fit the model of today, whatever differs', async () => {
    const misfits: NamedTensor[][] = [
      [],
      [row(1)],
      [row(1, 2), { ...row(1, 2), name: 'more' }],
      [{ ...row(1, 2), name: 'other' }],
      [{ ...row(1, 2), datatype: 'int32', data: Int32Array.of(1, 2) }],
      [{ ...row(), shape: [2], data: new Float32Array(2) }],
      [{ ...row(), shape: [0, 2] }],
    ];
    const items = await frequentInputs(storeOf({ 1: misfits.map(keep) }), request);
    assert.equal(items.length, misfits.length);
    for (const item of items) {
      assert.throws(() => item.makeCall().decode(view), { code: 'INVALID_INPUT' }, item.name);
    }
    const broken = await frequentInputs(storeOf({ 1: [Uint8Array.of(9, 9, 9)] }), request);
    assert.throws(() => broken[0]!.makeCall().decode(view), { code: 'INVALID_INPUT' });
  });

  it('finds inputs by name, and rows of a batch only together', async () => {
    const [spec] = view.signature.inputs;
    const pair = { ...view.signature, inputs: [spec!, { ...spec!, name: 'more' }] };
    const model = { ...view, signature: pair };
    const more = { ...row(3, 4), name: 'more' };
    const two = { ...more, shape: [2, 2], data: new Float32Array(4) };
    const store = storeOf({ 1: [keep([more, row(1, 2)]), keep([row(1, 2), two])] });
    const [turned, uneven] = await frequentInputs(store, request);
    assert.deepEqual(turned!.makeCall().decode(model), [row(1, 2), more]);
    assert.throws(() => uneven!.makeCall().decode(model), { code: 'INVALID_INPUT' });
    assert.deepEqual(uneven!.makeCall().decode({ ...model, batchable: false }), [row(1, 2), two]);
  });

  it('takes those of the version asked last when its own has none yet', async () => {
    const store = storeOf({ 1: [keep([row(1, 2)])] }, '1');
    const items = await frequentInputs(store, { ...request, version: '2' });
    assert.deepEqual(
      store.asked.map((each) => (each as string[])[1]),
      ['2', '1'],
    );
    assert.equal(items[0]!.makeCall().version, '2');
    assert.deepEqual(await frequentInputs(storeOf({}), request), []);
    assert.deepEqual(await frequentInputs(storeOf({}, '1'), request), []);
  });
});
