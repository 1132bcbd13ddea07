import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PredictionFilter, PredictionRecord, PredictionSummary } from '../../ports/prediction-store.ts';
import type { NamedTensor, Tensor } from '../tensor.ts';
import { decodeNamedTensors } from './named-tensors.ts';
import { predictionIdMs } from './prediction-id.ts';
import { PredictionReader } from './prediction-reader.ts';
import { type PredictionFacts, PredictionRecorder } from './prediction-recorder.ts';
import type { PredictionWriterOptions } from './prediction-writer.ts';
import { HeldStore, irisView, makeWorld, seededIds } from './testing/prediction-world.ts';

const nowMs = Date.UTC(2026, 0, 31);
const row: Tensor = { datatype: 'float32', shape: [1, 4], data: Float32Array.of(5.1, 3.5, 1.4, 0.2) };
const label: NamedTensor = { name: 'label', datatype: 'string', shape: [1], data: ['setosa'] };
const probabilities: NamedTensor = {
  name: 'probabilities',
  datatype: 'float32',
  shape: [1, 3],
  data: Float32Array.of(0.75, 0.25, 0),
};

const facts: PredictionFacts = {
  model: irisView,
  caller: 'key:k1',
  rows: 1,
  status: 'OK',
  durationMs: 2.5,
  cache: 'miss',
  inputs: [row],
  outputs: [label, probabilities],
  holdUntilMs: 1000,
};

function makeRecorder(maxBytes = 1000, options: Partial<PredictionWriterOptions> = {}) {
  const store = new HeldStore();
  const world = makeWorld({ store, digest: (bytes) => bytes.slice(0, 16), ...options });
  const recorder = new PredictionRecorder({ ids: seededIds(), writer: world.writer, wallClock: () => nowMs, maxBytes });
  return { ...world, store, recorder };
}

async function stored({ clock, store }: ReturnType<typeof makeRecorder>): Promise<PredictionRecord[]> {
  clock.advance(20);
  while (store.inFlight > 0) await store.finish();
  return [...store.stored.values()];
}

describe('prediction recorder', () => {
  it('writes down what was asked, answered and by whom', async () => {
    const world = makeRecorder();
    const id = world.recorder.record(facts);
    const [record] = await stored(world);
    const { inputs, outputs, ...rest } = record!;
    assert.deepEqual(rest, {
      id,
      createdMs: nowMs,
      model: 'iris',
      version: '3',
      status: 'OK',
      caller: 'key:k1',
      rows: 1,
      durationMs: 2.5,
      cache: 'miss',
      inputKey: inputs!.slice(0, 16),
    });
    assert.equal(predictionIdMs(rest.id), nowMs);
    assert.deepEqual(decodeNamedTensors(inputs!), [{ name: 'features', ...row }]);
    assert.deepEqual(decodeNamedTensors(outputs!), [label, probabilities]);
  });

  it('reads inputs before it returns, for their memory is used again', async () => {
    const world = makeRecorder();
    const data = Float32Array.of(1, 2, 3, 4);
    world.recorder.record({ ...facts, inputs: [{ ...row, data }] });
    data.fill(9);
    const [record] = await stored(world);
    assert.deepEqual(decodeNamedTensors(record!.inputs!)![0]!.data, Float32Array.of(1, 2, 3, 4));
  });

  it('names the outputs that were asked for when they are not all', async () => {
    const world = makeRecorder();
    world.recorder.record({ ...facts, outputs: [probabilities] });
    const [record] = await stored(world);
    assert.deepEqual(decodeNamedTensors(record!.outputs!), [probabilities]);
  });

  it('leaves out what is too large, each side by itself, and has no key without inputs', async () => {
    const world = makeRecorder(16);
    world.recorder.record({ ...facts, inputs: [row], outputs: [label, probabilities] });
    world.recorder.record({ ...facts, inputs: [row, row], outputs: [probabilities] });
    const [first, second] = await stored(world);
    assert.deepEqual([first!.inputs !== undefined, first!.outputs], [true, undefined]);
    assert.deepEqual([second!.inputs, second!.outputs !== undefined], [undefined, true]);
    assert.deepEqual([first!.inputKey.length, second!.inputKey.length], [16, 0]);
  });

  it('keeps no tensors at all with a limit of 0', async () => {
    const world = makeRecorder(0);
    world.recorder.record({ ...facts, inputs: [], outputs: [] });
    const [record] = await stored(world);
    assert.deepEqual([record!.inputs, record!.outputs], [undefined, undefined]);
  });

  it('keeps tensors up to the limit on their data, all together', async () => {
    for (const [maxBytes, kept] of [
      [32, true],
      [31, false],
    ] as const) {
      const world = makeRecorder(maxBytes);
      world.recorder.record({ ...facts, inputs: [row, row], outputs: undefined });
      const [record] = await stored(world);
      assert.equal(record!.inputKey.length > 0, kept, String(maxBytes));
    }
  });

  it('records failures, with the inputs where they were understood', async () => {
    const world = makeRecorder();
    world.recorder.record({ ...facts, status: 'ENGINE_FAILED', outputs: undefined, holdUntilMs: undefined });
    world.recorder.record({ ...facts, status: 'INVALID_INPUT', inputs: undefined, outputs: undefined });
    const [first, second] = await stored(world);
    assert.deepEqual([first!.status, first!.outputs, first!.inputs !== undefined], ['ENGINE_FAILED', undefined, true]);
    assert.deepEqual([second!.status, second!.inputs, second!.inputKey.length], ['INVALID_INPUT', undefined, 0]);
  });

  it('gives no id when the record was dropped, and counts it', () => {
    const { recorder, writer } = makeRecorder(1000, { capacity: 1 });
    assert.equal(typeof recorder.record(facts), 'string');
    assert.equal(recorder.record(facts), undefined);
    assert.equal(writer.counters.dropped, 1);
  });

  it('lets an answer wait for its record in mode stored', async () => {
    const world = makeRecorder(1000, { mode: 'stored' });
    const told = world.recorder.record(facts);
    assert.ok(told instanceof Promise);
    const [record] = await stored(world);
    assert.equal(await told, record!.id);
  });
});

describe('prediction reader', () => {
  const all = () => true;

  function summaries(count: number, modelOf: (index: number) => string): PredictionSummary[] {
    const ids = seededIds();
    const list = Array.from({ length: count }, (_, index) => {
      const id = ids.next(nowMs + index);
      const rest = { version: '1', status: 'OK', caller: '', rows: 1, durationMs: 1, cache: '' };
      return { id, createdMs: nowMs + index, model: modelOf(index), ...rest };
    });
    return list.reverse();
  }

  /** Lists as the port says: newest first, older than `before`. */
  function readerOf(list: readonly PredictionSummary[], reads: number[] = []): PredictionReader {
    return new PredictionReader({
      find: async () => undefined,
      list: async ({ before = 'g' }: PredictionFilter, limit) => {
        reads.push(limit);
        return list.filter(({ id }) => id < before).slice(0, limit);
      },
    });
  }

  it('finds a record that was just made before it is stored', async () => {
    const { recorder, writer } = makeRecorder();
    const reader = new PredictionReader({ find: async () => undefined, list: async () => [] }, writer);
    const id = recorder.record(facts) as string;
    const record = await reader.find(id, all);
    assert.deepEqual([record?.id, decodeNamedTensors(record!.inputs!)], [id, [{ name: 'features', ...row }]]);
    assert.equal(await reader.find(id, () => false), undefined);
  });

  it('pages through everything once, whatever the size of the page', async () => {
    const list = summaries(23, () => 'iris');
    for (const limit of [1, 2, 22, 23, 24, 1000]) {
      const seen: string[] = [];
      let before: string | undefined;
      do {
        const page = await readerOf(list).list({ before }, limit, all);
        assert.ok(page.predictions.length > 0 && page.predictions.length <= limit);
        seen.push(...page.predictions.map(({ id }) => id));
        before = page.next;
      } while (before !== undefined);
      assert.deepEqual(
        seen,
        list.map(({ id }) => id),
      );
    }
  });

  it('shows only models that may be seen, fills pages with them, and misses none', async () => {
    const list = summaries(100, (index) => (index % 3 === 0 ? 'iris' : 'secret'));
    const seen: string[] = [];
    let before: string | undefined;
    do {
      const page = await readerOf(list).list({ before }, 10, (model) => model === 'iris');
      seen.push(...page.predictions.map(({ id }) => id));
      before = page.next;
    } while (before !== undefined);
    assert.deepEqual(
      seen,
      list.filter(({ model }) => model === 'iris').map(({ id }) => id),
    );
  });

  it('bounds its reads when little may be seen, and says where to go on', async () => {
    const list = summaries(1000, () => 'secret');
    const reads: number[] = [];
    const page = await readerOf(list, reads).list({}, 10, () => false);
    assert.deepEqual([page.predictions, reads.length], [[], 8]);
    assert.equal(page.next, list[87]!.id);
  });

  it('asks for nothing when the model asked for may not be seen', async () => {
    const reads: number[] = [];
    const page = await readerOf(
      summaries(5, () => 'secret'),
      reads,
    ).list({ model: 'secret' }, 10, () => false);
    assert.deepEqual([page, reads], [{ predictions: [], next: undefined }, []]);
  });
});
