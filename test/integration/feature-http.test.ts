/** The HTTP source of features against real servers on loopback: slow, hanging, lying, or gone. */
import assert from 'node:assert/strict';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { SourceFailure } from '../../src/core/features/source-failure.ts';
import { closeAll, closing, fails, json, local, make, serve } from './support/feature-http.ts';

afterEach(closeAll);

describe('features over HTTP', () => {
  it('gets an object per entity and knows 404 and null as unknown', async () => {
    const seen: (string | undefined)[] = [];
    const { port } = await serve((request, response) => {
      seen.push(request.url);
      if (request.url === '/users/a') json(response, { age: 31 });
      else if (request.url === '/users/b') json(response, null);
      else json(response, { error: 'no such user' }, 404);
    });
    const { source } = local(port);
    assert.deepEqual(await source.fetchMany(['a', 'b', 'c']), [{ age: 31 }, undefined, undefined]);
    assert.deepEqual(seen.sort(), ['/users/a', '/users/b', '/users/c']);
  });

  it('puts what an entity is called into one segment, escaped', async () => {
    const seen: (string | undefined)[] = [];
    const { port } = await serve((request, response) => {
      seen.push(request.url);
      json(response, { path: decodeURIComponent(request.url!) });
    });
    const { source } = local(port, { key: '/v1/{entity}/row?of={entity}' });
    await source.fetchMany(['../x?y#z&a=b @host']);
    assert.deepEqual(seen, ['/v1/..%2Fx%3Fy%23z%26a%3Db%20%40host/row?of=..%2Fx%3Fy%23z%26a%3Db%20%40host']);
  });

  it('knows no entity whose path would lead elsewhere, and asks nobody', async () => {
    const { port } = await serve((_, response) => json(response, { leaked: true }));
    const { source } = local(port);
    assert.deepEqual(await source.fetchMany(['..', '.']), [undefined, undefined]);
    const batch = local(port, { batchKey: '/users/{entities}' });
    assert.deepEqual(await batch.source.fetchMany(['..']), [undefined]);
  });

  it('asks a batch endpoint once for all', async () => {
    const seen: (string | undefined)[] = [];
    const { port } = await serve((request, response) => {
      seen.push(request.url);
      json(response, { 'user:42': { age: 31 }, 'x,y': { age: 5 }, nobody: null });
    });
    const { source } = local(port, { batchKey: '/users?ids={entities}' });
    assert.equal(source.maxBatch, 100);
    const rows = await source.fetchMany(['user:42', 'nobody', 'x,y', 'other', 'toString']);
    assert.deepEqual(rows, [{ age: 31 }, undefined, { age: 5 }, undefined, undefined]);
    assert.deepEqual(seen, ['/users?ids=user%3A42,nobody,x%2Cy,other,toString']);
  });

  it('splits a batch whose path would be too long', async () => {
    const lengths: number[] = [];
    const { port } = await serve((request, response) => {
      lengths.push(request.url!.length);
      const names = decodeURIComponent(request.url!.slice('/users?ids='.length)).split(',');
      json(response, Object.fromEntries(names.map((name) => [name, { length: name.length }])));
    });
    const { source } = local(port, { batchKey: '/users?ids={entities}' });
    const entities = Array.from({ length: 100 }, (_, index) => `${index}-${'é'.repeat(100)}`);
    const rows = await source.fetchMany(entities);
    assert.deepEqual(
      rows,
      entities.map(({ length }) => ({ length })),
    );
    assert.ok(lengths.length > 1 && Math.max(...lengths) < 8200, String(lengths));
  });

  it('sends the credentials of its URL, and not to another origin', async () => {
    const other = await serve((request, response) =>
      json(response, { authorization: request.headers.authorization ?? '' }),
    );
    const { port } = await serve((request, response) => {
      if (request.url === '/users/here') json(response, { authorization: request.headers.authorization });
      else response.writeHead(302, { location: `http://127.0.0.1:${other.port}/x` }).end();
    });
    const hosts = `127.0.0.1:${port},127.0.0.1:${other.port}`;
    const { source } = make({ source: `http://me:s%40cret@127.0.0.1:${port}` }, hosts);
    const [here, there] = await source.fetchMany(['here', 'there']);
    assert.deepEqual(here, { authorization: `Basic ${Buffer.from('me:s@cret').toString('base64')}` });
    assert.deepEqual(there, { authorization: '' });
  });

  for (const [status, repeatable] of [
    [500, false],
    [502, true],
    [503, true],
    [403, false],
    [204, false],
    [429, false],
  ] as const) {
    it(`fails on ${status}, which ${repeatable ? 'may' : 'must not'} be repeated at once`, async () => {
      const { port } = await serve((_, response) => response.writeHead(status).end());
      await assert.rejects(local(port).source.fetchMany(['a']), fails(new RegExp(`status ${status}`), repeatable));
    });
  }

  it('fails on another content type, compressed bodies, broken JSON and JSON that is no object', async () => {
    const { port } = await serve((request, response) => {
      const kind = request.url!.slice('/users/'.length);
      if (kind === 'html') response.writeHead(200, { 'content-type': 'text/html' }).end('<p>');
      else if (kind === 'none') response.writeHead(200).end('{}');
      else if (kind === 'gzip')
        response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end('x');
      else if (kind === 'broken') response.writeHead(200, { 'content-type': 'application/json' }).end('{"a":');
      else json(response, [1, 2]);
    });
    const { source } = local(port);
    await assert.rejects(source.fetchMany(['html']), fails(/answered text\/html instead of plain application\/json/));
    await assert.rejects(source.fetchMany(['none']), fails(/answered nothing instead of/));
    await assert.rejects(source.fetchMany(['gzip']), fails(/instead of plain/));
    await assert.rejects(source.fetchMany(['broken']), fails(/text that is no JSON/));
    await assert.rejects(source.fetchMany(['list']), fails(/no object of features/));
  });

  it('takes +json types and parameters', async () => {
    const { port } = await serve((_, response) =>
      response.writeHead(200, { 'content-type': 'application/hal+json; charset=utf-8' }).end('{"a":1}'),
    );
    assert.deepEqual(await local(port).source.fetchMany(['a']), [{ a: 1 }]);
  });

  it('refuses answers above 1 MiB, announced or not', async () => {
    const long = JSON.stringify({ text: 'x'.repeat(1024 * 1024) });
    const { port } = await serve((request, response) => {
      const headers = { 'content-type': 'application/json' };
      if (request.url === '/users/announced') response.writeHead(200, { ...headers, 'content-length': long.length });
      else response.writeHead(200, headers);
      response.end(long);
    });
    const { source } = local(port);
    await assert.rejects(source.fetchMany(['announced']), fails(/too large/, false));
    await assert.rejects(source.fetchMany(['chunked']), fails(/too large/, false));
  });

  it('gives up on headers that never come and on bodies that trickle, in time', async () => {
    const trickles = new Set<NodeJS.Timeout>();
    const { port } = await serve((request, response) => {
      if (request.url === '/users/silent') return;
      response.writeHead(200, { 'content-type': 'application/json' });
      const trickle = setInterval(() => response.write(' '), 20);
      trickles.add(trickle);
      response.on('close', () => clearInterval(trickle));
    });
    const { source, client } = local(port, { timeoutMs: 150 });
    await assert.rejects(source.fetchMany(['silent']), fails(/did not answer in time/, false));
    await assert.rejects(source.fetchMany(['trickle']), fails(/did not answer in time/, false));
    assert.equal(client.statuses()[0]!.timeouts, 2);
    for (const trickle of trickles) clearInterval(trickle);
  });

  it('says that lost and refused connections may be tried again', async () => {
    const sockets = new Set<Socket>();
    const server = createTcpServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.once('data', () => socket.end());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const { source } = local(port);
    await assert.rejects(source.fetchMany(['a']), fails(/connection failed/, true));
    await new Promise((resolve) => server.close(resolve));
    await assert.rejects(source.fetchMany(['a']), fails(/ECONNREFUSED/, true));
  });

  it('fails on half an answer', async () => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () =>
        socket.end('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"a":'),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => new Promise((resolve) => server.close(resolve)));
    const { port } = server.address() as AddressInfo;
    await assert.rejects(local(port).source.fetchMany(['a']), fails(/connection failed/));
  });

  it('keeps connections and makes no more than 8', async () => {
    let open = 0;
    let most = 0;
    let made = 0;
    const { server, port } = await serve((_, response) => setImmediate(() => json(response, { a: 1 })));
    server.on('connection', (socket) => {
      made++;
      most = Math.max(most, ++open);
      socket.on('close', () => open--);
    });
    const { source, client } = local(port);
    for (let round = 0; round < 5; round++) {
      await Promise.all(Array.from({ length: 40 }, (_, index) => source.fetchMany([`${index}`])));
    }
    assert.ok(most <= 8 && made <= 8, `${most} at once, ${made} made`);
    const [status] = client.statuses();
    assert.equal(status!.kind, 'http');
    assert.equal(status!.name, `features http://127.0.0.1:${port}`);
    assert.equal(status!.maxSize, 8);
    assert.equal(status!.acquired, 200);
    assert.ok(status!.waitedMs > 0 && status!.size <= 8 && status!.inUse === 0, JSON.stringify(status));
  });

  it('works again when the server is back', async () => {
    const { server, port } = await serve((_, response) => json(response, { a: 1 }));
    const { source } = local(port);
    await source.fetchMany(['a']);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await assert.rejects(source.fetchMany(['a']), SourceFailure);
    await serve((_, response) => json(response, { a: 2 }), port);
    assert.deepEqual(await source.fetchMany(['a']), [{ a: 2 }]);
  });

  it('finishes what was begun when it is closed, and refuses later calls', async () => {
    const { promise, resolve } = Promise.withResolvers<() => void>();
    const { port } = await serve((_, response) => resolve(() => json(response, { a: 1 })));
    const { source, client } = local(port);
    const row = source.fetchMany(['a']);
    const answer = await promise;
    const closed = client.close();
    answer();
    assert.deepEqual(await row, [{ a: 1 }]);
    await closed;
    await assert.rejects(source.fetchMany(['a']), fails(/client is closed/));
  });
});
