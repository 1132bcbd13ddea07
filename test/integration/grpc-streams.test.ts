/** Predictions in a stream over gRPC: order, errors, what holds a fast client back, and the end of the server. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { status } from '@grpc/grpc-js';
import type { InferCall, InferResponse } from '../../src/core/types.ts';
import {
  ask,
  type Client,
  clientOpener,
  collect,
  demoRequest,
  floats,
  type Message,
  openStream,
  rawRequest,
  services,
} from './support/grpc-client.ts';
import { startGrpc, type TestServer } from './support/grpc-harness.ts';
import { until } from './support/until.ts';

let server: TestServer;
let client: Client;
const connectTo = clientOpener(() => server.address);

before(async () => {
  server = await startGrpc();
  client = connectTo();
});

after(() => server[Symbol.asyncDispose]());

describe('ModelStreamInfer', () => {
  it('answers each request in its order, and an error without ending the stream', async () => {
    const stream = openStream(client, 'ModelStreamInfer');
    const answers = collect(stream);
    stream.write(rawRequest([[1, 2]], { id: 'a' }));
    stream.write({ ...demoRequest([[1]]), model_name: 'nobody', id: 'b' });
    stream.write(rawRequest([[5, 6]], { id: 'c' }));
    stream.end();
    const [first, second, third, ...rest] = await answers;
    assert.deepEqual(rest, []);
    assert.equal(first.infer_response.id, 'a');
    assert.deepEqual(floats(first.infer_response.raw_output_contents[1]), [3]);
    assert.match(second.error_message, /nobody/);
    assert.equal(second.infer_response.id, 'b');
    assert.equal(third.infer_response.id, 'c');
    assert.deepEqual(floats(third.infer_response.raw_output_contents[1]), [11]);
  });

  it('keeps the order of 500 requests whose predictions end in another', async () => {
    const held: (() => void)[] = [];
    const infer = (call: InferCall) =>
      new Promise<InferResponse>((resolve) => {
        const inputs = call.decode(demoView);
        held.push(() => resolve({ model: demoView, outputs: [{ ...inputs[0]!, name: 'y' }], timing }));
        // Two at a time, the later first.
        if (held.length === 2) for (const release of held.splice(0).reverse()) setImmediate(release);
      });
    await using stub = await startGrpc({ deps: { infer } });
    const stream = openStream(connectTo(services.inference, stub.address), 'ModelStreamInfer');
    const answers = collect(stream);
    for (let index = 0; index < 500; index++) stream.write(rawRequest([[index]], { id: String(index) }));
    stream.end();
    const all = await answers;
    assert.deepEqual(
      all.map(({ infer_response: one }) => [one.id, floats(one.raw_output_contents[0])[0]]),
      all.map((_, index) => [String(index), index]),
    );
    assert.equal(all.length, 500);
    assert.equal(stub.inFlight.total, 0);
  });

  it('holds back a client that sends faster than it is answered', async () => {
    const calls: InferCall[] = [];
    const infer = (call: InferCall) => {
      calls.push(call);
      return new Promise<never>(() => {});
    };
    await using stub = await startGrpc({ config: { grpcMaxStreamRequests: 4 }, deps: { infer } });
    const held = connectTo(services.inference, stub.address);
    const stream = openStream(held, 'ModelStreamInfer');
    const ended = collect(stream).catch((error) => error.code);
    const big = rawRequest([new Array(250_000).fill(1)]);
    for (let index = 0; index < 40; index++) stream.write(big);
    await until(() => calls.length >= 4);
    // Round trips on the same connection: whatever would have come is there.
    for (let index = 0; index < 20; index++) await ask(held, 'ServerLive', {});
    assert.ok(calls.length < 12, `${calls.length} requests were taken`);
    stream.cancel();
    assert.equal(await ended, status.CANCELLED);
    await until(() => stub.inFlight.total === 0);
    assert.ok(calls.every((call) => call.cancel!.cancelled));
  });

  it('answers what was asked when the server stops, and then ends the stream', async () => {
    const held: ((answer: InferResponse) => void)[] = [];
    const infer = (call: InferCall) =>
      new Promise<InferResponse>((resolve) => {
        call.decode(demoView);
        held.push(resolve);
      });
    await using stub = await startGrpc({ deps: { infer } });
    const stream = openStream(connectTo(services.inference, stub.address), 'ModelStreamInfer');
    const ids: string[] = [];
    stream.on('data', (message: Message) => ids.push(message.infer_response.id));
    const end = new Promise<Message>((resolve) => stream.on('error', resolve));
    for (const id of ['a', 'b']) stream.write(rawRequest([[1]], { id }));
    await until(() => held.length === 2);
    const closed = stub.server.close();
    for (const resolve of held) resolve({ model: demoView, outputs: [], timing });
    assert.equal((await end).code, status.UNAVAILABLE);
    assert.deepEqual(ids, ['a', 'b']);
    await closed;
  });

  it('ends with a bad message', async () => {
    await using small = await startGrpc({ config: { grpcMaxMessageBytes: 100 } });
    const stream = openStream(connectTo(services.inference, small.address), 'ModelStreamInfer');
    const answers = collect(stream);
    stream.write(rawRequest([new Array(100).fill(1)]));
    await assert.rejects(answers, { code: status.RESOURCE_EXHAUSTED });
  });
});

const demoView = {
  name: 'demo',
  version: '1',
  signature: {
    inputs: [{ name: 'features', datatype: 'float32' as const, shape: [-1, -1] }],
    outputs: [{ name: 'y', datatype: 'float32' as const, shape: [-1, -1] }],
    skippedOutputs: [],
  },
  batchable: true,
  labels: undefined,
  nan: 'allow' as const,
};

const timing = { decodeMs: 0, queueMs: 0, batchMs: 0, inferMs: 0, batchRows: 1, release: 'idle' as const };
