/** Predictions over gRPC whose time is over or whose client has left: who learns of it. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { status } from '@grpc/grpc-js';
import { HotpathError } from '../../src/core/errors.ts';
import type { InferCall } from '../../src/core/types.ts';
import { ask, type Client, connect, demoRequest, type Message } from './support/grpc-client.ts';
import { startGrpc, type TestServer, waitForCancel } from './support/grpc-harness.ts';
import { framed, openSession, send } from './support/grpc-raw.ts';
import { until } from './support/until.ts';

describe('ModelInfer', () => {
  let server: TestServer;
  let client: Client;

  before(async () => {
    server = await startGrpc();
    client = connect(server.address);
  });

  after(async () => {
    client.close();
    await server[Symbol.asyncDispose]();
  });

  it('drops a request when its deadline passes at the client', async () => {
    await using stuck = await startGrpc({ deps: { infer: waitForCancel } });
    const other = connect(stuck.address);
    const late = ask(other, 'ModelInfer', demoRequest([[1]]), { deadline: Date.now() + 500 });
    await assert.rejects(late, { code: status.DEADLINE_EXCEEDED });
    await until(() => stuck.requests.length === 1);
    assert.deepEqual(stuck.requests, ['grpc - CANCELLED']);
    assert.equal(stuck.inFlight.total, 0);
    other.close();
  });

  it('tells the core when the client cancels', async () => {
    const calls: InferCall[] = [];
    const infer = (call: InferCall) => {
      calls.push(call);
      return waitForCancel(call);
    };
    await using stuck = await startGrpc({ deps: { infer } });
    const other = connect(stuck.address);
    const answer = new Promise<Message>((resolve) => {
      const method = other.ModelInfer as (request: object, done: (error: Message) => void) => { cancel(): void };
      const call = method.call(other, demoRequest([[1]]), resolve);
      until(() => calls.length === 1).then(() => call.cancel());
    });
    assert.equal((await answer).code, status.CANCELLED);
    await until(() => calls[0]!.cancel!.cancelled);
    assert.equal(stuck.inFlight.total, 0);
    assert.deepEqual(stuck.requests, ['grpc - CANCELLED']);
    other.close();
  });

  it('tells the core when the connection is lost', async () => {
    await using stuck = await startGrpc({ deps: { infer: waitForCancel } });
    const session = await openSession(stuck.port);
    const lost = send(session, framed(Buffer.from([10, 4, ...Buffer.from('demo')])));
    await until(() => stuck.inFlight.total === 1);
    session.destroy();
    assert.equal((await lost).grpcStatus, undefined);
    await until(() => stuck.inFlight.total === 0);
    assert.deepEqual(stuck.requests, ['grpc - CANCELLED']);
  });

  it('answers DEADLINE_EXCEEDED by itself when the core says so', async () => {
    const late = async () => Promise.reject(new HotpathError('DEADLINE_EXCEEDED', 'Waited too long.'));
    await using server = await startGrpc({ deps: { infer: late } });
    const other = connect(server.address);
    const answer = ask(other, 'ModelInfer', demoRequest([[1]]));
    await assert.rejects(answer, { code: status.DEADLINE_EXCEEDED, details: 'Waited too long.' });
    other.close();
  });

  it('takes the smaller of the deadline and the timeout parameter', async () => {
    const parameters = { timeout: { int64_param: 2_000_000 }, priority: { uint64_param: 2 } };
    await ask(client, 'ModelInfer', demoRequest([[1]], { parameters }), { deadline: Date.now() + 30_000 });
    assert.equal(server.calls.at(-1)!.timeoutMs, 2000);
    assert.equal(server.calls.at(-1)!.priority, 1);
  });
});
