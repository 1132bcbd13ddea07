/** A client of features and servers that it may ask, for tests. Everything made is closed by `closeAll`. */
import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ResolveName } from '../../../src/adapters/http/checked-lookup.ts';
import { HostPolicy } from '../../../src/adapters/http/host-policy.ts';
import { HttpClient } from '../../../src/adapters/http/http-client.ts';
import { httpFeatures } from '../../../src/adapters/http/http-features.ts';
import { systemClock } from '../../../src/adapters/system-clock.ts';
import { SourceFailure } from '../../../src/core/features/source-failure.ts';
import type { FeatureSource, FeaturesConfig } from '../../../src/ports/feature-source.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export const closing: (() => Promise<unknown>)[] = [];
export async function closeAll(): Promise<void> {
  for (const close of closing.splice(0).reverse()) await close();
}

export async function serve(answer: Answer, port = 0): Promise<{ server: Server; port: number }> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  closing.push(
    () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(resolve);
      }),
  );
  return { server, port: (server.address() as AddressInfo).port };
}

export function json(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

interface Made {
  readonly source: FeatureSource;
  readonly client: HttpClient;
}

export function make(config: Partial<FeaturesConfig> & { source: string }, hosts: string, resolve?: ResolveName): Made {
  const client = new HttpClient({ policy: new HostPolicy(hosts), clock: systemClock, resolve });
  closing.push(() => client.close());
  const source = httpFeatures({ key: '/users/{entity}', timeoutMs: 2000, ...config }, client);
  return { source, client };
}

export function local(port: number, config: Partial<FeaturesConfig> = {}): Made {
  return make({ source: `http://127.0.0.1:${port}`, ...config }, `127.0.0.1:${port}`);
}

export const fails = (message: RegExp, repeatable?: boolean) => (error: unknown) => {
  assert.ok(error instanceof SourceFailure, String(error));
  assert.match(error.message, message);
  if (repeatable !== undefined) assert.equal(error.repeatable, repeatable);
  return true;
};

export const at =
  (address: string): ResolveName =>
  async (): Promise<LookupAddress[]> => [{ address, family: address.includes(':') ? 6 : 4 }];
