/** What a config.pbtxt declares beyond settings, over models that are really run: reshapes, states, warm-up requests, mistakes. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { collect, connect, openStream } from '../integration/support/grpc-client.ts';
import { get, modelFolder, post, serve, type TestServer } from './support/serve.ts';
import { inferFloats, type Operators, put, storeOperators } from './support/triton-models.ts';

/** total = sum + x, and the next sum is the total. */
const adder: Operators = {
  nodes: [
    ['Add', ['sum', 'x'], ['total']],
    ['Identity', ['total'], ['next']],
  ],
  inputs: { x: ['rows', 2], sum: ['rows', 2] },
  outputs: { next: ['rows', 2], total: ['rows', 2] },
};

const adderConfig = `max_batch_size: 8
input { name: "x" data_type: TYPE_FP32 dims: 2 }
output { name: "total" data_type: TYPE_FP32 dims: 2 }
sequence_batching {
  max_sequence_idle_microseconds: 60000000
  oldest { max_candidate_sequences: 4 }
  state { input_name: "sum" output_name: "next" data_type: TYPE_FP32 dims: 2
    initial_state { name: "begin" data_type: TYPE_FP32 dims: 2 data_file: "begin" } }
}`;

const grid: Operators = {
  nodes: [['Neg', ['grid'], ['negative']]],
  inputs: { grid: ['rows', 2, 3] },
  outputs: { negative: ['rows', 2, 3] },
};
const gridConfig = (rest = '') => `max_batch_size: 8
input { name: "grid" data_type: TYPE_FP32 dims: 6 reshape { shape: [2, 3] } }
output { name: "negative" data_type: TYPE_FP32 dims: [3, 2] reshape { shape: [2, 3] } }
metric_tags { key: "team" value: "x" } ${rest}`;

const warmUp = (dims: number, data: string) =>
  `model_warmup { name: "hello" batch_size: 3 count: 2 inputs { key: "grid" value { data_type: TYPE_FP32 dims: [2, ${dims}] ${data} } } }`;

const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);

describe('a declared model', () => {
  let server: TestServer;
  const statusOf = async (model: string) => (await get(`${server.url}/api/v1/models/${model}`)).body;
  const failureOf = async (model: string) =>
    (await inferFloats(server, model, { any: { shape: [1], data: [1] } })).error;
  const add = (id: number | string, x: number, flags: object = {}) =>
    inferFloats(server, 'adder', { x: { shape: [1, 2], data: [x, -x] } }, { sequence_id: id, ...flags });

  before(async () => {
    const models = await modelFolder();
    await storeOperators(models, 'adder', adder, adderConfig);
    await put(models, 'adder/initial_state/begin', floats(100, 200));
    await storeOperators(models, 'stateless', adder, adderConfig);
    await put(models, 'stateless/initial_state/begin', floats(1));
    await storeOperators(models, 'grid', grid, gridConfig());
    await storeOperators(models, 'warm', grid, gridConfig(warmUp(3, 'input_data_file: "some"')));
    await put(models, 'warm/warmup/some', floats(...Array.from({ length: 18 }, (_, index) => index)));
    await storeOperators(models, 'cold', grid, gridConfig(warmUp(4, 'random_data: true')));
    await storeOperators(models, 'other', grid, gridConfig().replace('TYPE_FP32 dims: 6', 'TYPE_INT32 dims: 6'));
    server = await serve(models);
  });
  after(() => server.stop());

  it('is seen and asked in the shapes of the file', async () => {
    const data = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
    const { outputs, error } = await inferFloats(server, 'grid', { grid: { shape: [2, 6], data } });
    assert.equal(error, undefined);
    assert.deepEqual([outputs.negative.shape, outputs.negative.data], [[2, 3, 2], data.map((value) => -value)]);
    const { body } = await get(`${server.url}/v2/models/grid`);
    assert.deepEqual(
      [body.inputs[0].shape, body.outputs[0].shape],
      [
        [-1, 6],
        [-1, 3, 2],
      ],
    );
    const wrong = await inferFloats(server, 'grid', { grid: { shape: [2, 2, 3], data } });
    assert.deepEqual([wrong.status, wrong.error!.includes('[?, 6]')], [400, true]);
  });

  it('tells in its status what of the file has no effect', async () => {
    const { loaded } = await statusOf('grid');
    assert.ok(
      loaded.notes.includes('metric_tags has no effect: metrics carry the labels of the server.'),
      loaded.notes,
    );
  });

  it('is failed when it is not what the file says', async () => {
    assert.match(
      (await failureOf('other'))!,
      /config\.pbtxt declares the input "grid" as int32, but in the model it is float32\./,
    );
    assert.equal((await statusOf('other')).state, 'failed');
  });

  it('runs the warm-up requests of the file, and is failed when they do not fit', async () => {
    assert.match((await failureOf('warm'))!, /Unknown input "any"/);
    const { state, loaded } = await statusOf('warm');
    assert.equal(state, 'ready');
    assert.ok(!loaded.notes.some((note: string) => note.includes('hello')), loaded.notes);
    assert.match(
      (await failureOf('cold'))!,
      /the warm-up request "hello" gives the input "grid" as float32 \[3, 2, 4\]; the model takes float32 \[\?, 2, 3\]/,
    );
  });

  it('keeps the state of each sequence, which begins with the contents of a file', async () => {
    const run = async (id: number) => {
      const totals: number[][] = [];
      for (let x = 1; x <= 5; x++) {
        const { outputs, error } = await add(id, id * x, { sequence_start: x === 1, sequence_end: x === 5 });
        assert.equal(error, undefined);
        assert.deepEqual(Object.keys(outputs), ['total']);
        totals.push(outputs.total.data);
      }
      return totals;
    };
    const expected = (id: number) => [1, 3, 6, 10, 15].map((sum) => [100 + id * sum, 200 - id * sum]);
    const ids = [1, 2, 3, 4];
    assert.deepEqual(await Promise.all(ids.map(run)), ids.map(expected));
    assert.match((await add(1, 1)).error!, /must specify the START flag/);
  });

  it('takes a text for the id of a sequence', async () => {
    const flags = (index: number) => ({ sequence_start: index === 0, sequence_end: index === 9 });
    const results: number[] = [];
    for (let index = 0; index < 10; index++) results.push((await add('text', 1, flags(index))).outputs.total.data[0]);
    assert.deepEqual(results, [101, 102, 103, 104, 105, 106, 107, 108, 109, 110]);
  });

  it('keeps the state of a sequence sent down one gRPC stream, in order', async () => {
    const client = connect(server.grpcUrl.replace('grpc://', ''));
    const stream = openStream(client, 'ModelStreamInfer');
    const count = 20;
    for (let index = 0; index < count; index++) {
      const parameters = {
        sequence_id: { int64_param: 77 },
        sequence_start: { bool_param: index === 0 },
        sequence_end: { bool_param: index === count - 1 },
      };
      const input = { name: 'x', datatype: 'FP32', shape: [1, 2], contents: { fp32_contents: [1, 0] } };
      stream.write({ model_name: 'adder', id: String(index), parameters, inputs: [input] });
    }
    stream.end();
    const answers = await collect(stream);
    client.close();
    assert.deepEqual(
      answers.map(({ error_message, infer_response }) => {
        assert.equal(error_message, '');
        return [infer_response.id, infer_response.raw_output_contents[0].readFloatLE(0)];
      }),
      Array.from({ length: count }, (_, index) => [String(index), 101 + index]),
    );
  });

  it('refuses more sequences than the file allows', async () => {
    for (const id of [1, 2, 3, 4]) assert.equal((await add(id, 1, { sequence_start: true })).status, 200);
    const { status, error } = await add(5, 1, { sequence_start: true });
    assert.deepEqual([status, error!.includes('has 4 sequences already')], [503, true]);
    for (const id of [1, 2, 3, 4]) assert.equal((await add(id, 1, { sequence_end: true })).status, 200);
    assert.equal((await add(5, 1, { sequence_start: true, sequence_end: true })).status, 200);
  });

  it('is failed when an initial state is absent or does not fit', async () => {
    assert.match(
      (await failureOf('stateless'))!,
      /The initial state "begin" of "sum" has 4 bytes; expected 8 bytes for float32 \[1, 2\]/,
    );
    await rm(join(server.models, 'stateless/initial_state'), { recursive: true });
    const { body } = await post(`${server.adminUrl}/admin/models/stateless/load`, {});
    assert.match(body.error.message, /The file "initial_state\/begin" is absent/);
  });

  it('is loaded again when only its declaration changed', async () => {
    await put(server.models, 'grid/config.pbtxt', gridConfig().replace('dims: [3, 2]', 'dims: [6, 1]'));
    assert.equal((await post(`${server.adminUrl}/admin/models/grid/reload`, {})).status, 200);
    const { outputs } = await inferFloats(server, 'grid', { grid: { shape: [1, 6], data: [1, 2, 3, 4, 5, 6] } });
    assert.deepEqual(outputs.negative.shape, [1, 6, 1]);
  });
});
