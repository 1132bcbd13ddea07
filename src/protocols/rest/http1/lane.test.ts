import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { after, describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../../../adapters/system-clock.ts';
import type { HotpathError } from '../../../core/errors.ts';
import { MessagePool } from '../../message-pool.ts';
import { NodeWire } from '../node-wire.ts';
import type { Abandonable, Wire } from '../wire.ts';
import { Http1Lane } from './lane.ts';
import type { LaneRoute } from './lane-connection.ts';

const maxBytes = 200_000;
const limits = { maxBytes, maxRatio: 10, pool: new MessagePool() };

/** Answers with path and body; a body of `later` is answered a turn later, `refuse` in the id before the body is read. */
function answerEcho(wire: Wire): void {
  const answer = (status: number, text: string | Uint8Array) => {
    const size = typeof text === 'string' ? Buffer.byteLength(text) : text.byteLength;
    if (wire.leavesMuchUnread) wire.closeAfterAnswer();
    wire.answer(status, ['content-type', 'text/plain', 'content-length', String(size)], text, size);
  };
  if (wire.headers['x-request-id'] === 'refuse') {
    answer(503, 'refused');
    return;
  }
  wire.receive(limits, {
    fail: (error: HotpathError) => answer(400, error.code),
    onBody: (body) => {
      const text = body.toString();
      const reply = body.length > 50_000 ? body : `${wire.method} ${wire.url} <${text}>`;
      if (text.startsWith('later')) setImmediate(() => answer(200, reply));
      else answer(200, reply);
    },
  });
}

/** A server with a lane when `route` is given, and node alone otherwise. */
async function listen(route: Partial<LaneRoute> | undefined) {
  const server = http.createServer((request, response) => answerEcho(new NodeWire(request, response, 0)));
  const lane =
    route &&
    new Http1Lane(server, false, systemClock, {
      headersTimeoutMs: 0,
      requestTimeoutMs: 0,
      keepAliveTimeoutMs: 0,
      routeOf: (url) =>
        url.startsWith('/fast') ? { maxBytesOf: () => maxBytes, start: answerEcho, ...route } : undefined,
      refuseSilent: (socket) => socket.end('late'),
    });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = (): void => {
    lane?.destroy();
    server.closeAllConnections();
    server.close();
  };
  return { server, lane, close, port: (server.address() as AddressInfo).port };
}

interface Answer {
  readonly status: number;
  readonly last: boolean;
  readonly body: string;
}

/** Cuts a stream of answers with Content-Length into its parts; what is not whole yet stays in `rest`. */
function readAnswers(said: Buffer): { answers: Answer[]; rest: Buffer } {
  const answers: Answer[] = [];
  let rest = said;
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    const head = rest.subarray(0, end).toString('latin1');
    const size = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    if (end < 0 || rest.length < end + 4 + size) return { answers, rest };
    const body = rest.subarray(end + 4, end + 4 + size).toString('latin1');
    answers.push({ status: Number(head.slice(9, 12)), last: /connection: close/i.test(head), body });
    rest = rest.subarray(end + 4 + size);
  }
}

class Client {
  readonly socket: net.Socket;
  #said: Buffer = Buffer.alloc(0);

  constructor(port: number) {
    this.socket = net.connect(port, '127.0.0.1').setNoDelay(true);
    this.socket.on('error', () => undefined);
    this.socket.on('data', (chunk: Buffer) => {
      this.#said = Buffer.concat([this.#said, chunk]);
    });
  }

  /** Waits for so many answers, or for the end of the connection. */
  async answers(count: number): Promise<Answer[]> {
    for (;;) {
      const { answers } = readAnswers(this.#said);
      if (answers.length >= count || this.socket.closed) return answers;
      await Promise.race([once(this.socket, 'data'), once(this.socket, 'close')]);
    }
  }
}

function post(path: string, body: string, more = ''): string {
  return `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${more}\r\n${body}`;
}

async function connect(context: TestContext, route: Partial<LaneRoute> = {}) {
  const made = await listen(route);
  const client = new Client(made.port);
  context.after(() => {
    client.socket.destroy();
    made.close();
  });
  await once(client.socket, 'connect');
  return { ...made, client };
}

describe('Http1Lane', () => {
  it('answers predict requests itself and passes everything else on, on one connection', async (context) => {
    const { client, lane } = await connect(context);
    assert.ok(lane);
    client.socket.write(post('/fast', 'one'));
    assert.deepEqual(await client.answers(1), [{ status: 200, last: false, body: 'POST /fast <one>' }]);
    client.socket.write(post('/slow', 'two'));
    client.socket.write(post('/fast', 'three'));
    const bodies = (await client.answers(3)).map(({ body }) => body);
    assert.deepEqual(bodies, ['POST /fast <one>', 'POST /slow <two>', 'POST /fast <three>']);
  });

  it('answers like node alone, however the bytes are cut', async () => {
    const fast = await listen({});
    const plain = await listen(undefined);
    after(fast.close);
    after(plain.close);
    const request = fc.oneof(
      { weight: 6, arbitrary: fc.string({ maxLength: 12 }).map((body) => post('/fast', body)) },
      { weight: 2, arbitrary: fc.nat(3).map((n) => post('/fast', `later ${n}`)) },
      { weight: 2, arbitrary: fc.integer({ min: 1, max: 120_000 }).map((n) => post('/fast', 'b'.repeat(n))) },
      { weight: 1, arbitrary: fc.constant(post('/fast', 'body', 'x-request-id: refuse\r\n')) },
      { weight: 1, arbitrary: fc.constant(post('/fast', 'x'.repeat(90_000), 'x-request-id: refuse\r\n')) },
      {
        weight: 1,
        arbitrary: fc.constant(
          'POST /fast HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n',
        ),
      },
      { weight: 1, arbitrary: fc.constant(post('/slow', 'cold')) },
      { weight: 1, arbitrary: fc.constant(post('/fast', 'umlaut ü')) },
      { weight: 1, arbitrary: fc.constant(post(`/fast/${'x'.repeat(1500)}`, 'long head')) },
    );
    const requests = fc.array(request, { minLength: 1, maxLength: 6 });
    const cuts = fc.array(fc.nat(150_000), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(requests, cuts, async (texts, cutsAt) => {
        const bytes = Buffer.from(texts.join(''));
        const ask = async (port: number): Promise<Answer[]> => {
          const client = new Client(port);
          await once(client.socket, 'connect');
          const places = [0, ...cutsAt.map((at) => at % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
          for (const [index, place] of places.slice(1).entries()) {
            client.socket.write(bytes.subarray(places[index], place));
            // Lets the server read this piece before the next: no time passes, turns do.
            for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
          }
          const answers = await client.answers(texts.length);
          client.socket.destroy();
          return answers;
        };
        assert.deepEqual(await ask(fast.port), await ask(plain.port));
      }),
      { numRuns: 60 },
    );
  });

  it('answers a request refused before its body was read, swallows the body, and serves the next', async (context) => {
    const { client } = await connect(context);
    const refused = post('/fast', 'x'.repeat(100_000), 'x-request-id: refuse\r\n');
    client.socket.write(refused.slice(0, 5000));
    assert.deepEqual(await client.answers(1), [{ status: 503, last: false, body: 'refused' }]);
    client.socket.write(refused.slice(5000));
    client.socket.write(post('/fast', 'next'));
    assert.equal((await client.answers(2))[1]?.body, 'POST /fast <next>');
  });

  it('closes after an early answer to a body too large to swallow, and the answer arrives', async (context) => {
    const { client } = await connect(context, { maxBytesOf: () => 8_000_000 });
    const refused = post('/fast', 'x'.repeat(4_000_000), 'x-request-id: refuse\r\n');
    client.socket.write(refused);
    const closed = once(client.socket, 'close');
    client.socket.on('end', () => client.socket.end());
    assert.deepEqual(await client.answers(1), [{ status: 503, last: true, body: 'refused' }]);
    await closed;
  });

  it('answers what a client sends ahead in order, one request at a time', async (context) => {
    let open: Wire | undefined;
    let begun = 0;
    const { client } = await connect(context, {
      start: (wire) => {
        begun++;
        assert.ok(open?.isOpen !== true, 'the one before is answered');
        open = wire;
        answerEcho(wire);
      },
    });
    const count = 2000;
    const bodyOf = (index: number): string => `later ${index} ${'x'.repeat(200)}`;
    client.socket.write(Array.from({ length: count }, (_, index) => post('/fast', bodyOf(index))).join(''));
    const answers = await client.answers(count);
    assert.deepEqual(
      answers.map(({ body }) => body),
      Array.from({ length: count }, (_, index) => `POST /fast <${bodyOf(index)}>`),
    );
    // A head cut by the end of a chunk goes to node, and the rest with it.
    assert.ok(begun > 100, `${begun} on the lane`);
  });

  it('tells the request when its client has left, in the body and while it waits', async (context) => {
    for (const cut of [20, 0]) {
      let wire: Wire | undefined;
      let left!: () => void;
      const gone = new Promise<void>((resolve) => {
        left = resolve;
      });
      const item: Abandonable = { abandon: () => left() };
      const { client } = await connect(context, {
        start: (begun) => {
          wire = begun;
          begun.watch(item);
          client.socket.destroy();
        },
      });
      const text = post('/fast', 'x'.repeat(40));
      client.socket.write(text.slice(0, text.length - cut));
      await gone;
      assert.equal(wire?.isOpen, false);
      // Late answers go nowhere.
      wire?.answer(200, [], 'late', 4);
    }
  });

  it('refuses to write a header that would begin another', async (context) => {
    const { client } = await connect(context, {
      start: (wire) => {
        assert.throws(() => wire.answer(200, ['x-a', 'b\r\nx-c: d'], '', 0), TypeError);
        wire.answer(500, ['content-length', '0'], '', 0);
      },
    });
    client.socket.write(post('/fast', ''));
    assert.deepEqual(await client.answers(1), [{ status: 500, last: false, body: '' }]);
  });

  it('cuts idle connections on request, and those only', async (context) => {
    const waiting: Wire[] = [];
    const { client, lane, port } = await connect(context, { start: (wire) => waiting.push(wire) });
    const idle = new Client(port);
    await once(idle.socket, 'connect');
    client.socket.write(post('/fast', 'held'));
    while (waiting.length === 0) await new Promise(setImmediate);
    lane?.closeIdle();
    await once(idle.socket, 'close');
    answerEcho(waiting.pop()!);
    assert.equal((await client.answers(1))[0]?.body, 'POST /fast <held>');
  });
});
