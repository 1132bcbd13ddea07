import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ResponseParser } from './response-parser.ts';

interface Parsed {
  readonly status: number;
  readonly body: string;
  readonly keepAlive: boolean;
}

function parse(chunks: readonly Buffer[]): Parsed[] {
  const found: Parsed[] = [];
  const parser = new ResponseParser((status, body, keepAlive) =>
    found.push({ status, body: body.toString('latin1'), keepAlive }),
  );
  for (const chunk of chunks) {
    // The socket reuses its buffer: what the parser keeps must be its own copy.
    const reused = Buffer.from(chunk);
    parser.push(reused);
    reused.fill(0xff);
  }
  assert.equal(parser.idle, true);
  return found;
}

function render({ status, body, keepAlive }: Parsed, spelling: string): Buffer {
  const close = keepAlive ? '' : 'Connection: close\r\n';
  const length = status === 204 ? '' : `${spelling}${Buffer.byteLength(body, 'latin1')}\r\n`;
  return Buffer.from(
    `HTTP/1.1 ${status} Whatever\r\n${close}Date: today\r\n${length}X-Last: 1\r\n\r\n${body}`,
    'latin1',
  );
}

function cut(stream: Buffer, points: readonly number[]): Buffer[] {
  const edges = [0, ...[...points].map((point) => point % (stream.length + 1)).sort((a, b) => a - b), stream.length];
  return edges.slice(1).map((end, index) => stream.subarray(edges[index], end));
}

const response = fc.record({
  status: fc.constantFrom(200, 204, 400, 429, 503),
  // Line ends inside a body must not be taken for the end of a head.
  body: fc.string({ unit: fc.constantFrom('\r', '\n', 'a', '{', '\xff', '\r\n\r\n'), maxLength: 60 }),
  keepAlive: fc.boolean(),
});

test('any cutting of the stream into pieces gives the same responses', () => {
  fc.assert(
    fc.property(
      fc.array(response, { minLength: 1, maxLength: 5 }),
      fc.constantFrom('Content-Length: ', 'content-length:', 'CONTENT-LENGTH:   '),
      fc.array(fc.nat(2000), { maxLength: 12 }),
      (responses, spelling, points) => {
        const expected = responses.map((one) => ({ ...one, body: one.status === 204 ? '' : one.body }));
        const stream = Buffer.concat(expected.map((one) => render(one, spelling)));
        assert.deepEqual(parse(cut(stream, points)), expected);
      },
    ),
  );
});

test('a stream cut into single bytes gives the same response', () => {
  const expected = { status: 200, body: '{"a":1}', keepAlive: true };
  assert.deepEqual(parse([...render(expected, 'Content-Length: ')].map((byte) => Buffer.of(byte))), [expected]);
});

test('interim 1xx responses are skipped', () => {
  const answer = { status: 200, body: 'x', keepAlive: true };
  const stream = Buffer.concat([Buffer.from('HTTP/1.1 100 Continue\r\n\r\n'), render(answer, 'Content-Length: ')]);
  assert.deepEqual(parse([stream]), [answer]);
});

test('what is no HTTP/1.1 response with a length is refused', () => {
  for (const text of ['SSH-2.0-x\r\n\r\n', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n']) {
    const parser = new ResponseParser(() => assert.fail('nothing to report'));
    assert.throws(() => parser.push(Buffer.from(text)));
  }
  const parser = new ResponseParser(() => assert.fail('nothing to report'));
  assert.throws(() => {
    for (let i = 0; i < 100; i++) parser.push(Buffer.alloc(1024, 97));
  }, /does not end/);
});
