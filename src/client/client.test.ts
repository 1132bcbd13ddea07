/** The fetch client against what servers and proxies answer, by a fetch that is given to it. The real server: test/e2e. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ClientOptions, createClient, HotpathClientError } from './client.ts';
import { FakeClock } from './testing/fake-clock.ts';

interface Sent {
  readonly url: string;
  readonly init: RequestInit;
}

const x = { x: { shape: [1], data: Float32Array.of(1) } };
const inferAnswer = { model_name: 'm', outputs: [{ name: 'y', datatype: 'FP32', shape: [1], data: [2] }] };

const json =
  (status: number, body: unknown, headers: Record<string, string> = {}) =>
  () =>
    new Response(JSON.stringify(body), { status, headers });

/** A client whose requests are answered by `answers` in turn; the last one stays. */
function clientOf(answers: readonly (() => Response)[], options: Partial<ClientOptions> = {}) {
  const sent: Sent[] = [];
  const clock = new FakeClock();
  const client = createClient({
    url: 'http://server/',
    clock,
    random: () => 0.5,
    async fetch(url, init = {}) {
      sent.push({ url: String(url), init });
      return answers[Math.min(sent.length, answers.length) - 1]!();
    },
    ...options,
  });
  return { client, sent, clock };
}

const headerOf = ({ init }: Sent, name: string) => new Headers(init.headers).get(name);

describe('the fetch client', () => {
  it('retries a 503 after the time of its Retry-After, as seconds and as date', async () => {
    const date = () => json(503, { error: 'busy' }, { 'retry-after': new Date(Date.now() + 3000).toUTCString() })();
    const { client, sent, clock } = clientOf([
      json(503, { error: 'busy' }, { 'retry-after': '1' }),
      date,
      json(200, inferAnswer),
    ]);
    const { outputs } = await clock.through(client.infer('m', x));
    assert.deepEqual(outputs.y!.data, Float32Array.of(2));
    assert.equal(sent.length, 3);
    // A date has whole seconds, so up to one of the three is lost.
    assert.ok(clock.now() > 1000 + 1900 && clock.now() <= 1000 + 3000 + 75, String(clock.now()));
  });

  it('tries again where no server answered, also behind a proxy', async () => {
    const refused = () => {
      throw new TypeError('fetch failed', { cause: { code: 'ECONNREFUSED' } });
    };
    const { client, clock } = clientOf([
      refused,
      () => new Response('<html>', { status: 502 }),
      json(200, inferAnswer),
    ]);
    assert.equal((await clock.through(client.infer('m', x))).model, 'm');
    const lost = clientOf([refused]);
    await assert.rejects(lost.clock.through(lost.client.infer('m', x)), {
      code: 'CONNECTION_FAILED',
      status: undefined,
      message: 'No answer from the server (ECONNREFUSED).',
    });
  });

  it('never sends a step of a sequence again that may have reached the server, only one that was refused', async () => {
    const lost = () => {
      throw new TypeError('fetch failed');
    };
    const step = { parameters: { sequence_id: 7, sequence_start: true } };
    const once = clientOf([lost, json(200, inferAnswer)]);
    await assert.rejects(once.clock.through(once.client.infer('m', x, step)), { code: 'CONNECTION_FAILED' });
    assert.equal(once.sent.length, 1);
    const refused = clientOf([json(503, { error: 'busy' }), json(200, inferAnswer)]);
    assert.equal((await refused.clock.through(refused.client.infer('m', x, step))).model, 'm');
  });

  it('turns every error body into one class with the code, the sentence and the details of the server', async () => {
    const errorOf = async (
      answer: () => Response,
      call = (client: ReturnType<typeof createClient>) => client.infer('m', x) as Promise<unknown>,
    ) => {
      const { client, clock } = clientOf([answer], { retries: 0 });
      try {
        await clock.through(call(client));
      } catch (error) {
        assert.ok(error instanceof HotpathClientError);
        const { code, status, message, details, retryAfterSeconds } = error;
        return { code, status, message, details, retryAfterSeconds };
      }
      return assert.fail('no error');
    };
    const native = { code: 'INVALID_INPUT', message: 'features: expected 4', details: { field: 'features' } };
    assert.deepEqual(await errorOf(json(400, { error: native }), (client) => client.predict([1])), {
      ...native,
      status: 400,
      retryAfterSeconds: undefined,
    });
    const plain = { details: undefined, retryAfterSeconds: undefined };
    assert.deepEqual(await errorOf(json(404, { error: 'No model "m".' })), {
      code: 'NOT_FOUND',
      status: 404,
      message: 'No model "m".',
      ...plain,
    });
    assert.deepEqual(await errorOf(json(429, { error: 'slow down' }, { 'retry-after': '7' })), {
      code: 'RATE_LIMITED',
      status: 429,
      message: 'slow down',
      details: undefined,
      retryAfterSeconds: 7,
    });
    assert.deepEqual(await errorOf(() => new Response('', { status: 401 })), {
      code: 'UNAUTHORIZED',
      status: 401,
      message: 'The server answered 401.',
      ...plain,
    });
    assert.equal((await errorOf(() => new Response('', { status: 418 }))).code, 'INTERNAL');
    assert.equal((await errorOf(() => new Response('not json'))).code, 'INVALID_RESPONSE');
    assert.equal(
      (
        await errorOf(
          () => new Response('not json'),
          (client) => client.models(),
        )
      ).code,
      'INVALID_RESPONSE',
    );
  });

  it('tells the server what is left of the deadline, less with every attempt', async () => {
    const { client, sent, clock } = clientOf(
      [
        json(503, { error: { code: 'OVERLOADED', message: 'busy' } }, { 'retry-after': '1' }),
        json(200, { prediction: 1 }),
      ],
      { timeoutMs: 5000 },
    );
    await clock.through(client.predict([1]));
    assert.deepEqual(
      sent.map((one) => headerOf(one, 'x-timeout-ms')),
      ['5000.000', '3975.000'],
    );
    const oip = clientOf([json(503, { error: 'busy' }, { 'retry-after': '1' }), json(200, inferAnswer)]);
    await oip.clock.through(oip.client.infer('m', x, { timeoutMs: 2000 }));
    const timeouts = oip.sent.map(({ init }) => JSON.parse(String(init.body)).parameters.timeout);
    assert.deepEqual(timeouts, [2_000_000, 975_000]);
  });

  it('gives up at the deadline although the server is silent, and when the caller aborts', async () => {
    const silent: typeof fetch = (_url, init) =>
      new Promise((_resolve, reject) => init!.signal!.addEventListener('abort', () => reject(init!.signal!.reason)));
    const { client, clock } = clientOf([], { fetch: silent });
    await assert.rejects(clock.through(client.infer('m', x, { timeoutMs: 300 })), { code: 'DEADLINE_EXCEEDED' });
    const controller = new AbortController();
    clock.after(10, () => controller.abort());
    await assert.rejects(clock.through(client.predict([1], { signal: controller.signal })), { code: 'CANCELLED' });
    await assert.rejects(client.live({ signal: AbortSignal.abort() }), { code: 'CANCELLED' });
    assert.equal(clock.pending, 0);
  });

  it('sends headers of the client and of the call, and names models and versions safely in the path', async () => {
    const { client, sent, clock } = clientOf([json(200, inferAnswer)], {
      headers: { authorization: 'Bearer 1', a: '1' },
    });
    await clock.through(client.infer('a/b c', x, { version: 'v/1', headers: { a: '2' } }));
    assert.equal(sent[0]!.url, 'http://server/v2/models/a%2Fb%20c/versions/v%2F1/infer');
    assert.deepEqual([headerOf(sent[0]!, 'authorization'), headerOf(sent[0]!, 'a')], ['Bearer 1', '2']);
  });

  it('writes the row, the wishes and 64-bit integers into a prediction as the native API reads them', async () => {
    const { client, sent, clock } = clientOf([json(200, { prediction: 1 })]);
    await clock.through(
      client.predict({ a: 1n, b: 2n ** 63n }, { model: 'm', version: '2', priority: 1, batching: 'off' }),
    );
    assert.deepEqual(JSON.parse(String(sent[0]!.init.body)), {
      model: 'm',
      version: '2',
      features: { a: 1, b: '9223372036854775808' },
      options: { priority: 1, batching: 'off' },
    });
    assert.equal(headerOf(sent[0]!, 'x-timeout-ms'), null);
  });

  it('says whether a server lives and is ready, and false where nobody answers', async () => {
    const ready = clientOf([json(200, {})]);
    assert.deepEqual(
      [await ready.client.live(), await ready.client.ready(), await ready.client.ready('m')],
      [true, true, true],
    );
    assert.deepEqual(
      ready.sent.map(({ url }) => url.slice('http://server'.length)),
      ['/v2/health/live', '/v2/health/ready', '/v2/models/m/ready'],
    );
    assert.equal(await clientOf([json(503, {})]).client.ready(), false);
    const refused = clientOf([
      () => {
        throw new TypeError('fetch failed');
      },
    ]);
    assert.deepEqual([await refused.client.live(), refused.sent.length], [false, 1]);
  });
});
