import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { type ChunkSink, pourInto } from './chunk-tap.ts';

/** Keeps what it is given, and counts the ends. */
class Kept implements ChunkSink {
  text = '';
  ends = 0;
  readonly ended: Promise<void>;
  #resolve!: () => void;

  constructor() {
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  add(chunk: Buffer): void {
    this.text += chunk.toString();
  }

  end(): void {
    this.ends++;
    this.#resolve();
  }
}

/** A server that answers every request with its own body and path, and a raw connection to it. */
async function connect(context: TestContext) {
  const sinks: Kept[] = [];
  const server = http.createServer((request, response) => {
    const sink = new Kept();
    sinks.push(sink);
    pourInto(request, sink);
    sink.ended.then(() => response.end(`<${request.url} ${sink.text}>`));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = net.connect((server.address() as AddressInfo).port, '127.0.0.1');
  let said = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  context.after(() => {
    socket.destroy();
    server.closeAllConnections();
    server.close();
  });
  const until = async (text: string): Promise<string> => {
    while (!said.includes(text)) await once(socket, 'data');
    return said;
  };
  return { server, socket, sinks, until };
}

function post(path: string, body: string): string {
  return `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}

test('requests sent in one go over one connection get their own bodies, in order', async (context) => {
  const { socket, sinks, until } = await connect(context);
  socket.write(post('/1', 'one') + post('/2', '') + post('/3', 'three') + post('/4', 'four'));
  const said = await until('</4 four>');
  assert.deepEqual(said.match(/<[^>]*>/g), ['</1 one>', '</2 >', '</3 three>', '</4 four>']);
  assert.deepEqual(
    sinks.map(({ ends }) => ends),
    [1, 1, 1, 1],
  );
});

test('a connection serves request after request, whether bodies come whole, in pieces or chunked', async (context) => {
  const { socket, until } = await connect(context);
  socket.write(post('/whole', 'abc'));
  await until('</whole abc>');
  const large = 'x'.repeat(300_000);
  socket.write(post('/pieces', large));
  await until(`</pieces ${large}>`);
  socket.write('POST /chunked HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n');
  socket.write('3\r\ncde\r\n0\r\n\r\n');
  await until('</chunked abcde>');
  socket.write(post('/last', 'z'));
  await until('</last z>');
});

test('a body that breaks off never ends', async (context) => {
  const { server, socket, sinks } = await connect(context);
  // Not events.once for the close: it rejects on the parse error that comes before it.
  const closed = new Promise((resolve) => {
    server.once('connection', (accepted: net.Socket) => accepted.once('close', resolve));
  });
  const arrived = once(server, 'request');
  socket.write(post('/half', 'whole body').slice(0, -4));
  await arrived;
  socket.end();
  await closed;
  assert.deepEqual([sinks[0]!.text, sinks[0]!.ends], ['whole ', 0]);
});

test('a request that is no HTTP/1.1 message of node is read as the stream it is', async () => {
  const sink = new Kept();
  pourInto(Readable.from([Buffer.from('in'), Buffer.from('jected')]) as never, sink);
  await sink.ended;
  assert.deepEqual([sink.text, sink.ends], ['injected', 1]);
});

test('what has come before the tap is not lost', async (context) => {
  const server = http.createServer(async (request, response) => {
    while (request.readableLength === 0) await new Promise(setImmediate);
    const sink = new Kept();
    pourInto(request, sink);
    await sink.ended;
    response.end(sink.text);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const response = await fetch(url, { method: 'POST', body: 'early', headers: { connection: 'close' } });
  assert.equal(await response.text(), 'early');
});
