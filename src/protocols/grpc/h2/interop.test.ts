/** Against node:http2, which is nghttp2, as client: the same headers, bodies of any size, many streams, any windows. */
import assert from 'node:assert/strict';
import http2, { type ClientHttp2Session, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { startEcho } from './testing/echo-server.ts';

function connect(port: number, options: http2.ClientSessionOptions = {}): ClientHttp2Session {
  const session = http2.connect(`http://127.0.0.1:${port}`, options);
  session.on('error', () => {});
  return session;
}

interface Answer {
  readonly body: Buffer;
  readonly status: unknown;
}

async function call(session: ClientHttp2Session, headers: OutgoingHttpHeaders, body?: Uint8Array): Promise<Answer> {
  const stream = session.request({ ':method': 'POST', 'content-type': 'application/grpc', ...headers });
  let status: unknown;
  const take = (headers: IncomingHttpHeaders) => {
    status ??= headers['grpc-status'];
  };
  // With an empty body there is one block only.
  stream.on('response', take);
  stream.on('trailers', take);
  stream.end(body);
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return { body: Buffer.concat(chunks), status };
}

const value = fc
  .string({ maxLength: 60, unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)) })
  .filter((text) => text.trim() === text && !text.includes('\x7f'));
const name = fc.stringMatching(/^x-[a-z]{1,6}$/);

describe('our HTTP/2 and nghttp2', () => {
  it('agree on any headers, sent again and again on one connection', async () => {
    await using server = await startEcho();
    for (const headerTableSize of [4096, 0, 100]) {
      const session = connect(server.port, { settings: { headerTableSize } });
      const one = fc.asyncProperty(
        name,
        value,
        fc.dictionary(name, value, { maxKeys: 5 }),
        async (name, wanted, rest) => {
          const { body, status } = await call(session, { ...rest, [name]: wanted, ':path': `/header?${name}` });
          assert.equal(body.toString('latin1'), wanted);
          assert.equal(status, '0');
        },
      );
      await fc.assert(one, { numRuns: 100 });
      session.destroy();
    }
  });

  it('agree on every byte that a value may have, in Huffman code', async () => {
    await using server = await startEcho();
    const session = connect(server.port);
    for (let byte = 0x21; byte <= 0xff; byte++) {
      if (byte === 0x7f) continue;
      const text = `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa${String.fromCharCode(byte)}${'e'.repeat(byte % 8)}`;
      const { body } = await call(session, { ':path': '/header?x-y', 'x-y': text });
      assert.equal(body.toString('latin1'), text);
    }
    session.destroy();
  });

  it('agree on bodies of any size, both ways, with windows of any size', async () => {
    await using server = await startEcho();
    for (const initialWindowSize of [1, 1000, 65_535, 10_000_000]) {
      const session = connect(server.port, { settings: { initialWindowSize } });
      const largest = initialWindowSize === 1 ? 300 : 3_000_000;
      for (const size of [0, 1, 65_535, 65_536, 1_000_003, largest].filter((size) => size <= largest)) {
        const body = Buffer.alloc(size, `${size} `);
        for (const path of ['/echo', '/stream']) {
          const answer = await call(session, { ':path': path }, body);
          assert.ok(answer.body.equals(body), `${path} ${size} ${initialWindowSize}: got ${answer.body.length}`);
          assert.equal(answer.status, '0');
        }
      }
      session.destroy();
    }
  });

  it('agree on many streams at once, each with its own bytes', async () => {
    await using server = await startEcho({ grpcMaxStreams: 1000 });
    const session = connect(server.port);
    const calls = Array.from({ length: 500 }, async (_, index) => {
      const body = Buffer.alloc(index * 100, `${index} `);
      const answer = await call(session, { ':path': index % 2 === 0 ? '/echo' : '/stream' }, body);
      assert.ok(answer.body.equals(body), String(index));
    });
    await Promise.all(calls);
    assert.equal(server.open.size, 0);
    session.destroy();
  });

  it('hold a client back that sends to a paused call, and go on with every byte', async () => {
    await using server = await startEcho();
    const session = connect(server.port);
    const body = Buffer.alloc(20 * 1024 * 1024, 'twenty megabytes, four more than the window ');
    const answer = call(session, { ':path': '/paused' }, body);
    assert.equal(String((await call(session, { ':path': '/header?:path' })).body), '/header?:path');
    assert.equal(server.receivedBytes, 0);
    server.resumeAll();
    assert.ok((await answer).body.equals(body));
    session.destroy();
  });

  it('agree on what is no gRPC', async () => {
    await using server = await startEcho();
    const session = connect(server.port);
    const statusOf = async (headers: OutgoingHttpHeaders) => {
      const stream = session.request({ ':path': '/echo', ...headers }, { endStream: true });
      const status = await new Promise((resolve) => stream.once('response', (head) => resolve(head[':status'])));
      stream.resume();
      return status;
    };
    assert.equal(await statusOf({ ':method': 'GET' }), 405);
    assert.equal(await statusOf({ ':method': 'POST', 'content-type': 'text/plain' }), 415);
    assert.equal(await statusOf({ ':method': 'POST', 'x-long': 'y'.repeat(17_000) }), 431);
    session.destroy();
  });
});
