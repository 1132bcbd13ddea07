/**
 * A server of a few lines behind the same contract as src/server.ts: the body of the processes in supervisor.test.ts.
 * Routes: / says who answers, /slow waits, /ask broadcasts, /die-on-ask arms a sibling's death, /retire asks for a replacement.
 */
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, Server as NetServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { RunningServer, ServerOptions } from '../../../src/cli/server-contract.ts';

type Ask = { readonly type: 'who' } | { readonly type: 'die' } | { readonly type: 'fail' };

function answer(ask: Ask): unknown {
  if (ask.type === 'die') process.kill(process.pid, 'SIGKILL');
  if (ask.type === 'fail') throw new Error('told to fail');
  return { pid: process.pid };
}

async function respond(url: URL, link: ServerOptions['link']): Promise<unknown> {
  switch (url.pathname) {
    case '/slow':
      await delay(Number(url.searchParams.get('ms')));
      return { pid: process.pid };
    case '/ask':
      return link?.broadcast({ type: url.searchParams.get('type') }, Number(url.searchParams.get('timeoutMs') ?? 5000));
    case '/retire':
      link?.retire();
      return { pid: process.pid };
    default:
      return { pid: process.pid };
  }
}

/** Stops accepting without cutting kept-alive connections between two requests, as http.Server.close() would. */
function stopAccepting(server: Server): Promise<void> {
  return new Promise((resolve) => NetServer.prototype.close.call(server, () => resolve()));
}

export async function startTinyServer({ config, link }: ServerOptions): Promise<RunningServer> {
  let answered = 0;
  let draining = false;
  link?.onMessage((ask) => answer(ask as Ask));
  const finish = (response: ServerResponse, body: unknown) => {
    if (draining) response.setHeader('connection', 'close');
    response.end(JSON.stringify(body));
    answered += 1;
  };
  const server = createServer((request, response) => {
    void respond(new URL(request.url!, 'http://tiny'), link).then((body) => finish(response, body));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.port, config.host, resolve);
  });
  return {
    url: `http://${config.host}:${(server.address() as AddressInfo).port}`,
    grpcUrl: undefined,
    adminUrl: undefined,
    requestCount: () => answered,
    drain: async () => {
      draining = true;
      await stopAccepting(server);
    },
    close: async () => server.closeAllConnections(),
  };
}
