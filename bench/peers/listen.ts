/** What every Node peer does at the end: listen on a free port of loopback and print it for the bench to read. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export function listen(server: Server): void {
  server.keepAliveTimeout = 72_000;
  server.listen(0, '127.0.0.1', 1024, () => {
    console.log(`listening on port ${(server.address() as AddressInfo).port}`);
  });
}
