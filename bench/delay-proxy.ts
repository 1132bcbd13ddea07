/** A link with a round trip of its own: a TCP proxy in this process that holds every chunk back for half of it. */
import { once } from 'node:events';
import * as net from 'node:net';
import type { Target } from '../src/loadtest/http-connection.ts';

export interface DelayProxy {
  readonly target: Target;
  readonly close: () => void;
}

export async function startDelayProxy(to: Target, roundTripMs: number): Promise<DelayProxy> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ noDelay: true }, (client) => {
    const upstream = net.connect({ port: to.port, host: to.host, noDelay: true });
    for (const [from, into] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      // Timers of the same delay fire in their order, so the bytes stay in theirs.
      from.on('data', (chunk) => setTimeout(() => into.write(chunk), roundTripMs / 2));
      from.on('error', () => {});
      from.on('close', () => {
        sockets.delete(from);
        into.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const close = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { target: { host: '127.0.0.1', port }, close };
}
