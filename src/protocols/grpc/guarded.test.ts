import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HotpathError } from '../../core/errors.ts';
import type { Caller } from '../../ports/access.ts';
import { type MessageSink, ServerCall } from './call.ts';
import { GrpcContext } from './context.ts';
import { guarded } from './guarded.ts';
import type { Trailers } from './status.ts';
import type { TransportStream } from './transport.ts';

const caller: Caller = { id: 'key:x', role: 'predict', models: undefined, limits: {} };

/** A call on a stream that records what is done to it; `answer` is what the guard finds out. */
function callWith(answer: Promise<Caller | Error>) {
  const events: string[] = [];
  const stream: TransportStream = {
    path: '/service/Method',
    peer: '',
    header: (name) => (name === 'x-api-key' ? 'k' : undefined),
    setHeader() {},
    write: () => true,
    end: (_chunks, trailers: Trailers) => void events.push(`status ${trailers['grpc-status']}`),
    pause: () => void events.push('pause'),
    resume: () => void events.push('resume'),
  };
  const config = {
    grpcMaxMessageBytes: 1000,
    grpcMaxReceiveBytes: 1000,
    maxDecompressionRatio: 1,
    requestTimeoutMs: 0,
  };
  const context = new GrpcContext({
    config: { ...config, maxInFlight: 1, maxInFlightPerClient: 0 },
    clock: { now: () => 0 },
    telemetry: { unroutedRequest: (_: string, code: string) => void events.push(`counted ${code}`) },
    access: {
      enter: () => assert.fail('nothing is counted'),
      identify: (_: unknown, role: string) => {
        events.push(`asked for ${role}`);
        return answer;
      },
    },
  } as never);
  const method = (call: ServerCall): MessageSink => {
    events.push(`begun by ${call.caller?.id}`);
    return {
      onMessage: () => void events.push('message'),
      onEnd: () => call.finish(),
      onGone: () => void events.push('gone'),
    };
  };
  const call = new ServerCall(context, stream, guarded('predict', method));
  return { call, events, message: Buffer.from([0, 0, 0, 0, 0]) };
}

test('the client is held back until its credentials are known; then the call begins and goes on as any other', async () => {
  const { promise, resolve } = Promise.withResolvers<Caller>();
  const { call, events, message } = callWith(promise);
  assert.deepEqual(events.splice(0), ['pause', 'asked for predict']);
  // What was on its way already.
  call.onData(message);
  call.onEnd();
  assert.deepEqual(events, []);
  resolve(caller);
  await promise;
  assert.deepEqual(events, ['begun by key:x', 'message', 'status 0', 'resume']);
});

test('a refusal and a guard that fails end the call, which never begins', async () => {
  const refused = callWith(Promise.resolve(new HotpathError('PERMISSION_DENIED', 'No.')));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(refused.events.slice(2), ['counted PERMISSION_DENIED', 'status 7']);
  const { promise, reject } = Promise.withResolvers<Caller>();
  const failed = callWith(promise);
  reject(new HotpathError('UNAUTHENTICATED', 'No.'));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(failed.events.slice(2), ['counted UNAUTHENTICATED', 'status 16']);
});

test('a client that left before begins nothing', async () => {
  const { promise, resolve } = Promise.withResolvers<Caller>();
  const { call, events } = callWith(promise);
  call.onGone();
  resolve(caller);
  await promise;
  assert.deepEqual(events, ['pause', 'asked for predict']);
});
