/**
 * Reads the head of a predict request from its text. Takes only what is plain and certain: a POST of HTTP/1.1 to a predict route,
 * complete, with a Content-Length and nothing that changes how the connection or the body is read. Everything else, malformed or
 * merely unusual, is not judged here but left to node's parser.
 */
import type { IncomingHttpHeaders } from 'node:http';

export interface RequestHead {
  /** The head itself, ASCII, up to and including the empty line. */
  readonly text: string;
  readonly url: string;
  /** Only those that predict requests read. */
  readonly headers: IncomingHttpHeaders;
  /** Bytes of the body. */
  readonly contentLength: number;
}

/** Read by the exchange, so kept; one that comes twice is left to node, which knows how to join it. */
const kept: ReadonlySet<string> = new Set([
  'accept',
  'accept-encoding',
  'authorization',
  'cache-control',
  'content-type',
  'inference-header-content-length',
  'traceparent',
  'x-api-key',
  'x-priority',
  'x-request-id',
  'x-tensor-outputs',
  'x-tensor-shape',
  'x-timeout-ms',
]);

/** Change the framing, the connection or the coding of the body. */
const unusual: ReadonlySet<string> = new Set([
  'content-encoding',
  'expect',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const requestLine = /^POST (\/[A-Za-z0-9/._-]*) HTTP\/1\.1\r\n/;
const nameSyntax = /^[A-Za-z0-9_-]+$/;
const valueSyntax = /^[\t\x20-\x7e]*$/;
const lengthSyntax = /^\d{1,15}$/;

/** The head at the beginning of `text`; undefined unless it is whole and plain. */
export function readHead(text: string): RequestHead | undefined {
  const end = text.indexOf('\r\n\r\n');
  const line = end < 0 ? null : requestLine.exec(text);
  if (line === null) return undefined;
  const headers: Record<string, string> = {};
  let hosts = 0;
  let length: string | undefined;
  for (let start = line[0].length; start < end; ) {
    const lineEnd = text.indexOf('\r\n', start);
    const colon = text.indexOf(':', start);
    if (colon < 0 || colon > lineEnd) return undefined;
    const name = text.slice(start, colon).toLowerCase();
    const raw = text.slice(colon + 1, lineEnd);
    start = lineEnd + 2;
    if (!nameSyntax.test(name) || !valueSyntax.test(raw) || unusual.has(name)) return undefined;
    const value = raw.trim();
    if (name === 'content-length') {
      if (length !== undefined || !lengthSyntax.test(value)) return undefined;
      length = value;
    } else if (name === 'host') hosts++;
    else if (name === 'connection') {
      if (value.toLowerCase() !== 'keep-alive') return undefined;
    } else if (kept.has(name)) {
      // Lines are streamed, which the lane does not do.
      if (headers[name] !== undefined || (name === 'accept' && value.includes('ndjson'))) return undefined;
      headers[name] = value;
    }
  }
  if (hosts !== 1 || length === undefined) return undefined;
  return { text: text.slice(0, end + 4), url: line[1]!, headers, contentLength: Number(length) };
}
