/**
 * A port that can be bound a moment later, and again after that. Called by supervise.ts for processes that follow each other on it, and by
 * tests that start servers of others.
 */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below those that Linux gives to sockets which ask for any (32768 to 60999): one of them may be gone before it is bound. */
const [lowest, highest] = [10_000, 32_767];
const mostTries = 100;

/**
 * @param host @default the loopback address
 * @throws EADDRINUSE when none is found, and what binding to the host throws
 */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let left = mostTries; ; left--) {
    const port = randomInt(lowest, highest + 1);
    try {
      await bindAndClose(port, host);
      return port;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || left === 0) throw error;
    }
  }
}

async function bindAndClose(port: number, host: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  await new Promise((resolve) => server.close(resolve));
}
