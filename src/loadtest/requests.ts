/** Builds complete HTTP/1.1 requests as bytes, once, before the load starts. */
import type { Target } from './http-connection.ts';

export interface RequestParts {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

/** Head and body in one buffer: one write, one system call. */
export function buildRequest(target: Target, parts: RequestParts): Uint8Array {
  const body = typeof parts.body === 'string' ? Buffer.from(parts.body) : (parts.body ?? new Uint8Array(0));
  const lines = [`${parts.method} ${parts.path} HTTP/1.1`, `Host: ${target.host}:${target.port}`];
  for (const [name, value] of Object.entries(parts.headers ?? {})) lines.push(`${name}: ${value}`);
  if (parts.method === 'POST') lines.push(`Content-Length: ${body.byteLength}`);
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body]);
}
