import assert from 'node:assert/strict';
import http from 'node:http';
import { duplexPair } from 'node:stream';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readHead } from './request-head.ts';

const base = ['host: x', 'content-type: application/json', 'content-length: 2'];

function headOf(lines: readonly string[], first = 'POST /api/v1/predict HTTP/1.1'): string {
  return [first, ...lines, '', ''].join('\r\n');
}

interface Judged {
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
}

/** What node's parser makes of the same bytes: the request, or undefined when it is refused. */
function askNode(text: string): Promise<Judged | undefined> {
  return new Promise((resolve) => {
    const server = http.createServer((request) => resolve({ url: request.url!, headers: request.headers }));
    server.on('clientError', () => resolve(undefined));
    const [client, socket] = duplexPair();
    server.emit('connection', socket);
    client.end(Buffer.from(text, 'latin1'));
  });
}

describe('readHead', () => {
  it('reads a plain predict request', () => {
    const text = headOf(['Host: x', 'Content-Type:application/json', 'X-Request-Id: \t a b ', 'content-length: 31']);
    assert.deepEqual(readHead(`${text}{"features"`), {
      text,
      url: '/api/v1/predict',
      headers: { 'content-type': 'application/json', 'x-request-id': 'a b' },
      contentLength: 31,
    });
  });

  for (const [what, text] of [
    ['another method', headOf(base, 'GET /api/v1/predict HTTP/1.1')],
    ['another version', headOf(base, 'POST /api/v1/predict HTTP/1.0')],
    ['a query', headOf(base, 'POST /api/v1/predict?x=1 HTTP/1.1')],
    ['an escape', headOf(base, 'POST /api/v1/models/%61/predict HTTP/1.1')],
    ['an absolute URL', headOf(base, 'POST http://x/api/v1/predict HTTP/1.1')],
    ['no host', headOf(base.slice(1))],
    ['two hosts', headOf([...base, 'host: y'])],
    ['no length', headOf(base.slice(0, 2))],
    ['two lengths', headOf([...base, 'content-length: 2'])],
    ['a length list', headOf([...base.slice(0, 2), 'content-length: 2, 2'])],
    ['a negative length', headOf([...base.slice(0, 2), 'content-length: -2'])],
    ['a length with a sign', headOf([...base.slice(0, 2), 'content-length: +2'])],
    ['a chunked body', headOf([...base, 'transfer-encoding: chunked'])],
    ['a compressed body', headOf([...base, 'content-encoding: gzip'])],
    ['an expectation', headOf([...base, 'expect: 100-continue'])],
    ['an upgrade', headOf([...base, 'connection: upgrade', 'upgrade: h2c'])],
    ['a connection to be closed', headOf([...base, 'connection: close'])],
    ['a folded header', headOf([...base, 'x-a: 1', ' 2'])],
    ['a space before the colon', headOf([...base, 'x-a : 1'])],
    ['a line without a colon', headOf([...base, 'x-a'])],
    ['a bare line feed', headOf([...base, 'x-a: 1\nx-b: 2'])],
    ['a bare carriage return', headOf([...base, 'x-a: 1\rx-b: 2'])],
    ['a zero byte', headOf([...base, 'x-a: \0'])],
    ['bytes above ASCII', headOf([...base, 'x-a: \xe9'])],
    ['a header twice', headOf([...base, 'accept: */*', 'accept: text/html'])],
    ['a wish for lines', headOf([...base, 'accept: application/x-ndjson'])],
    ['half a head', headOf(base).slice(0, -2)],
    ['no header at all', 'POST /api/v1/predict HTTP/1.1\r\n\r\n'],
    ['nothing', ''],
  ] as const) {
    it(`leaves to node: ${what}`, () => assert.equal(readHead(text), undefined));
  }

  it('never takes what node refuses, nor reads it differently', async () => {
    const piece = fc.oneof(
      fc.constantFrom(...base, 'accept: */*', 'Connection: keep-alive', 'traceparent: 00-1', 'X-TIMEOUT-MS: 5'),
      fc.constantFrom('transfer-encoding: chunked', 'connection: close', 'content-length: 2', 'x:y', ' folded', ''),
      fc
        .tuple(fc.constantFrom('x-a', 'accept', 'x_b', 'content-length', 'host'), fc.string({ maxLength: 6 }))
        .map(([name, value]) => `${name}:${value}`),
    );
    const noise = fc.record({
      at: fc.nat(250),
      text: fc.constantFrom('\r', '\n', '\0', ' ', ':', '\t', '\r\n', '\x7f', '\xff', ',', '%'),
    });
    const lines = fc.array(piece, { maxLength: 4 });
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(lines, fc.option(noise, { freq: 3 }), async (more, spoil) => {
        let text = headOf([...base, ...more]);
        if (spoil !== null) text = text.slice(0, spoil.at) + spoil.text + text.slice(spoil.at);
        const head = readHead(text);
        if (head === undefined) return;
        taken++;
        const node = await askNode(text);
        assert.ok(node !== undefined, `node refuses ${JSON.stringify(text)}`);
        assert.equal(node.url, head.url);
        assert.equal(Number(node.headers['content-length']), head.contentLength);
        for (const [name, value] of Object.entries(head.headers)) assert.equal(node.headers[name], value, name);
        for (const name of ['transfer-encoding', 'expect', 'upgrade']) assert.equal(node.headers[name], undefined);
      }),
      { numRuns: 1500 },
    );
    assert.ok(taken > 50, `only ${taken} heads were taken: this proves little`);
  });
});
