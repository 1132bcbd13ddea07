/**
 * What a guard means for a call: who is counted and for how long, what happens while a token is verified, which models are seen. Over
 * REST, the Open Inference Protocol, gRPC and the admin listener.
 */
import assert from 'node:assert/strict';
import type { ClientHttp2Session } from 'node:http2';
import { after, before, describe, it } from 'node:test';
import { Metadata } from '@grpc/grpc-js';
import type { Caller } from '../../src/ports/access.ts';
import { encodeReference } from '../../src/protocols/grpc/testing/proto-json.ts';
import { type Guarded, startGuarded } from './support/access-harness.ts';
import { ask as askGrpc, type Client, collect, connect, demoRequest, openStream } from './support/grpc-client.ts';
import { answerOf, framed, openRequest, openSession } from './support/grpc-raw.ts';
import { ask, jsonOf } from './support/rest-client.ts';
import { until } from './support/until.ts';

let guarded: Guarded;
let client: Client;
let session: ClientHttp2Session;
let admin: Record<string, string>;

before(async () => {
  guarded = await startGuarded();
  client = connect(guarded.grpc.address);
  session = await openSession(guarded.grpc.port);
  admin = { 'x-api-key': (await guarded.addKey({ role: 'admin', name: 'root' })).key };
});

after(async () => {
  client?.close();
  session?.close();
  await guarded?.[Symbol.asyncDispose]();
});

function metadataOf(headers: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return metadata;
}

const infer = (headers: Record<string, string>, model = 'demo') =>
  askGrpc(client, 'ModelInfer', { ...demoRequest([[1, 2]]), model_name: model }, { metadata: metadataOf(headers) });

/** The error of a call that must fail. */
async function failureOf(call: Promise<unknown>): Promise<{ code: number; details: string; metadata: Metadata }> {
  return call.then(
    () => assert.fail('the call was answered'),
    (error) => error,
  );
}

const demoMessage = encodeReference('ModelInferRequest', demoRequest([[1, 2]]));

const scoped: Caller = { id: 'token:test/ann', role: 'predict', models: undefined, limits: {} };

describe('a gRPC call with limits', () => {
  it('says what is left in its trailers, and when to come again once nothing is', async () => {
    const { key } = await guarded.addKey({ limits: { requestsPerSecond: 0.01, burst: 2 } });
    const first = await rawInfer({ 'x-api-key': key });
    assert.deepEqual([first.grpcStatus, first.headers['ratelimit-remaining']], [0, '1']);
    assert.equal((await rawInfer({ 'x-api-key': key })).grpcStatus, 0);
    const third = await rawInfer({ 'x-api-key': key });
    assert.deepEqual([third.grpcStatus, third.headers['hotpath-code']], [8, 'RATE_LIMITED']);
    assert.ok(Number(third.headers['grpc-retry-pushback-ms']) > 1000);
    assert.equal(third.headers['ratelimit-remaining'], '0');
  });

  it('gives its place back on every way out, once', async () => {
    const { key } = await guarded.addKey({ limits: { concurrency: 1 } });
    const headers = { 'x-api-key': key };
    await infer(headers);
    assert.equal((await failureOf(infer(headers, 'nobody'))).code, 5);
    // No message at all, a broken one, and a client that leaves.
    assert.equal((await answerOf(openRequest(session, undefined, headers).end())).grpcStatus, 3);
    assert.equal((await rawInfer(headers, Buffer.from([255, 255]))).grpcStatus, 3);
    const left = openRequest(session, undefined, headers);
    await until(() => guarded.grpc.inFlight.total === 1);
    assert.equal((await failureOf(infer(headers))).code, 8);
    left.close(8);
    await until(() => guarded.grpc.inFlight.total === 0);
    await infer(headers);
    assert.deepEqual([...new Set(guarded.releases)], [1]);
  });

  it('counts each request of a stream, and goes on behind one that was too many', async () => {
    const { key } = await guarded.addKey({ limits: { requestsPerSecond: 0.01, burst: 2 } });
    const stream = openStream(client, 'ModelStreamInfer', metadataOf({ authorization: `Bearer ${key}` }));
    const answers = collect(stream);
    for (let n = 0; n < 3; n++) stream.write(demoRequest([[n]]));
    stream.end();
    const errors = (await answers).map(({ error_message }: { error_message: string }) => error_message !== '');
    assert.deepEqual(errors, [false, false, true]);
    await until(() => guarded.releases.every((times) => times === 1));
  });

  it('ends a stream whose key was revoked', async () => {
    const { key, id } = await guarded.addKey({});
    const stream = openStream(client, 'ModelStreamInfer', metadataOf({ 'x-api-key': key }));
    const failed = new Promise<{ code: number }>((resolve) => stream.once('error', resolve as never));
    const first = new Promise((resolve) => stream.once('data', resolve));
    stream.write(demoRequest([[1]]));
    await first;
    await guarded.revoke(id);
    stream.write(demoRequest([[2]]));
    assert.equal((await failed).code, 16);
  });
});

describe('while a token is verified', () => {
  it('the call keeps its message, and its caller reaches the core', async () => {
    const answer = rawInfer({ authorization: 'Bearer fresh' });
    await until(() => guarded.grpc.inFlight.total === 1);
    const before = guarded.grpc.calls.length;
    await guarded.settle('fresh', scoped);
    assert.equal((await answer).grpcStatus, 0);
    assert.equal(guarded.grpc.calls.length, before + 1);
    assert.equal(guarded.grpc.calls.at(-1)!.caller, scoped);
  });

  it('its deadline ends the call, and what comes later is given back', async () => {
    const answer = await rawInfer({ authorization: 'Bearer late', 'grpc-timeout': '50m' });
    assert.equal(answer.grpcStatus, 4);
    const before = guarded.grpc.calls.length;
    await guarded.settle('late', scoped);
    assert.equal(guarded.grpc.inFlight.total, 0);
    assert.equal(guarded.grpc.calls.length, before);
    assert.ok(guarded.releases.every((times) => times === 1));
  });

  it('a client that leaves is forgotten, in a unary call and in a stream', async () => {
    const paths = ['ModelInfer', 'ModelStreamInfer'].map((name) => `/inference.GRPCInferenceService/${name}`);
    const calls = paths.map((path, at) => openRequest(session, path, { authorization: `Bearer left-${at}` }));
    for (const one of calls) one.write(framed(Buffer.alloc(0)));
    await until(() => guarded.grpc.inFlight.total === 1);
    const before = guarded.grpc.requests.length;
    for (const one of calls) one.close(8);
    await until(() => guarded.grpc.inFlight.total === 0);
    await guarded.settle('left-0', scoped);
    await guarded.settle('left-1', scoped);
    assert.ok(guarded.releases.every((times) => times === 1));
    assert.deepEqual(guarded.grpc.requests.slice(before), ['grpc - CANCELLED']);
  });

  it('a refusal ends the call', async () => {
    const infers = rawInfer({ authorization: 'Bearer forged' });
    const asks = failureOf(
      askGrpc(client, 'ServerMetadata', {}, { metadata: metadataOf({ authorization: 'Bearer forged' }) }),
    );
    await until(() => guarded.grpc.inFlight.total === 1);
    await guarded.settle('forged', 'refuse');
    assert.deepEqual([(await infers).grpcStatus, (await asks).code], [16, 16]);
    assert.equal((await infers).message, (await asks).details);
  });

  it('other methods wait as well, with their message', async () => {
    const metadata = metadataOf({ authorization: 'Bearer patient' });
    const asked = askGrpc(client, 'ModelMetadata', { name: 'demo' }, { metadata });
    const rest = ask(`${guarded.restUrl}/v2/models/demo`, { headers: { authorization: 'Bearer patient' } });
    await guarded.settle('patient', scoped);
    assert.equal((await asked).name, 'demo');
    assert.equal(jsonOf(await rest).name, 'demo');
  });
});

describe('a caller of some models', () => {
  let headers: Record<string, string>;
  before(async () => {
    headers = { 'x-api-key': (await guarded.addKey({ role: 'admin', models: ['ot*'] })).key };
    await infer(admin);
    await infer(admin, 'other');
  });
  const get = (path: string) => ask(guarded.restUrl + path, { headers });
  const post = (url: string, body = '{}') => ask(url, { body, headers });

  it('sees only these in lists', async () => {
    const list = jsonOf(await get('/api/v1/models'));
    assert.deepEqual([list.defaultModel, list.models.map(({ name }: { name: string }) => name)], [null, ['other']]);
    const names = (models: { name: string }[]) => [...new Set(models.map(({ name }) => name))];
    assert.deepEqual(names(jsonOf(await post(`${guarded.restUrl}/v2/repository/index`))), ['other']);
    assert.deepEqual(names(jsonOf(await get('/v2/models/stats')).model_stats), ['other']);
    assert.deepEqual(names(jsonOf(await ask(`${guarded.adminUrl}/admin/models`, { headers })).models), ['other']);
    const metadata = metadataOf(headers);
    assert.deepEqual(names((await askGrpc(client, 'RepositoryIndex', {}, { metadata })).models), ['other']);
    assert.deepEqual(names((await askGrpc(client, 'ModelStatistics', {}, { metadata })).model_stats), ['other']);
  });

  it('may name no other anywhere, whether there is one or not', async () => {
    for (const model of ['demo', 'nobody']) {
      const sentences = new Set<string>();
      for (const path of [
        `/v2/models/${model}`,
        `/v2/models/${model}/config`,
        `/v2/models/${model}/versions/1/stats`,
      ]) {
        const reply = await get(path);
        assert.equal(reply.status, 403, path);
        sentences.add(jsonOf(reply).error);
      }
      const native = await get(`/api/v1/models/${model.replace('o', '%6f')}`);
      assert.deepEqual([native.status, jsonOf(native).error.code], [403, 'PERMISSION_DENIED']);
      for (const url of [
        `${guarded.restUrl}/v2/repository/models/${model}/load`,
        `${guarded.adminUrl}/admin/models/${model}/unload`,
        `${guarded.adminUrl}/admin/models/${model}/reload`,
      ]) {
        assert.equal((await post(url)).status, 403, url);
      }
      const metadata = metadataOf(headers);
      const calls: readonly (readonly [string, object])[] = [
        ...['ModelReady', 'ModelMetadata', 'ModelConfig', 'ModelStatistics'].map(
          (name) => [name, { name: model }] as const,
        ),
        ...['RepositoryModelLoad', 'RepositoryModelUnload'].map((name) => [name, { model_name: model }] as const),
      ];
      for (const [method, request] of calls) {
        const { code, details } = await failureOf(askGrpc(client, method, request, { metadata }));
        assert.equal(code, 7, method);
        sentences.add(details);
      }
      assert.equal(sentences.size, 1);
    }
    assert.equal((await get('/v2/models/other')).status, 200);
  });

  it('cannot drop what others have cached, nor make itself a key for more', async () => {
    const invalidate = (model: string) => post(`${guarded.adminUrl}/admin/cache/invalidate`, JSON.stringify({ model }));
    assert.deepEqual(
      [(await invalidate('*')).status, (await invalidate('demo')).status, (await invalidate('ot*r')).status],
      [403, 403, 200],
    );
    const created = await post(`${guarded.adminUrl}/admin/keys`, JSON.stringify({ name: 'more', role: 'admin' }));
    assert.equal(created.status, 403);
  });
});

function rawInfer(headers: Readonly<Record<string, string>>, message: Uint8Array = demoMessage) {
  const stream = openRequest(session, undefined, headers);
  const answer = answerOf(stream);
  stream.end(framed(message));
  return answer;
}
