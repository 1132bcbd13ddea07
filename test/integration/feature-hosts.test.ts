/** Where the HTTP source of features may lead: redirects, names that change their addresses, and addresses that are refused. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { getCACertificates, setDefaultCACertificates, type TLSSocket } from 'node:tls';
import type { ResolveName } from '../../src/adapters/http/checked-lookup.ts';
import { HostPolicy } from '../../src/adapters/http/host-policy.ts';
import { HttpClient } from '../../src/adapters/http/http-client.ts';
import { httpFeatures } from '../../src/adapters/http/http-features.ts';
import { systemClock } from '../../src/adapters/system-clock.ts';
import { makeCertificate, withoutOpenssl } from './support/certificate.ts';
import { at, closeAll, closing, fails, json, local, make, serve } from './support/feature-http.ts';

afterEach(closeAll);

describe('redirects', () => {
  it('are followed twice at most', async () => {
    const { port } = await serve((request, response) => {
      const left = Number(request.url!.split('/').at(-1));
      if (left === 0) json(response, { a: 1 });
      else response.writeHead(307, { location: `/users/${left - 1}` }).end();
    });
    const { source } = local(port);
    assert.deepEqual(await source.fetchMany(['2']), [{ a: 1 }]);
    await assert.rejects(source.fetchMany(['3']), fails(/redirects more than 2 times/));
  });

  for (const [location, why] of [
    ['http://169.254.169.254/latest/meta-data', /not among featureHosts/],
    ['http://[::ffff:169.254.169.254]/', /not among featureHosts/],
    ['ftp://127.0.0.1/', /redirects from http: to ftp:/],
    ['file:///etc/passwd', /redirects from http: to file:/],
    ['http://user:pw@127.0.0.1/', /redirects with credentials/],
    ['http://elsewhere.test/', /elsewhere\.test is not among featureHosts/],
    ['http://', /redirects to nothing/],
  ] as const) {
    it(`to ${location} are refused`, async () => {
      const { port } = await serve((_, response) => response.writeHead(302, { location }).end());
      await assert.rejects(local(port).source.fetchMany(['a']), fails(why, false));
    });
  }

  it('to an allowed name that leads to a forbidden address are refused', async () => {
    let asked = 0;
    const { port } = await serve((_, response) => response.writeHead(302, { location: 'http://inner.test/' }).end());
    const resolve: ResolveName = async () => {
      asked++;
      return [{ address: '169.254.169.254', family: 4 }];
    };
    const { source } = make({ source: `http://127.0.0.1:${port}` }, `127.0.0.1:${port},inner.test`, resolve);
    await assert.rejects(
      source.fetchMany(['a']),
      fails(/inner\.test leads to 169\.254\.169\.254, which is never/, false),
    );
    assert.equal(asked, 1);
  });
});

describe('names', () => {
  it('are connected at the address that was checked, with their own Host header', async () => {
    const { port } = await serve((request, response) => json(response, { host: request.headers.host }));
    const { source } = make({ source: `http://features.test:${port}` }, `features.test:${port}`, at('127.0.0.1'));
    assert.deepEqual(await source.fetchMany(['a']), [{ host: `features.test:${port}` }]);
  });

  it('are not asked for again while they are remembered', async () => {
    let asked = 0;
    const { server, port } = await serve((_, response) => json(response, { a: 1 }));
    const { source } = make({ source: `http://features.test:${port}` }, `features.test:${port}`, async () => {
      asked++;
      return [{ address: '127.0.0.1', family: 4 }];
    });
    await Promise.all(Array.from({ length: 8 }, () => source.fetchMany(['a'])));
    server.closeAllConnections();
    await source.fetchMany(['a']).catch(() => source.fetchMany(['a']));
    assert.equal(asked, 1);
  });

  it('that lead elsewhere the second time are refused then', async () => {
    // Remembered addresses are used for 30 s: the clock moves on.
    let nowMs = 0;
    const clock = { ...systemClock, now: () => nowMs };
    const { server, port } = await serve((_, response) => json(response, { a: 1 }));
    let address = '127.0.0.1';
    const client = new HttpClient({
      policy: new HostPolicy(`rebind.test:${port}`),
      clock,
      resolve: async () => [{ address, family: 4 }],
    });
    closing.push(() => client.close());
    const source = httpFeatures({ source: `http://rebind.test:${port}`, key: '/{entity}', timeoutMs: 2000 }, client);
    assert.deepEqual(await source.fetchMany(['a']), [{ a: 1 }]);
    address = '169.254.169.254';
    nowMs = 31_000;
    const lost = new Promise((resolve) => server.once('close', resolve));
    server.closeAllConnections();
    server.close();
    await lost;
    const refusal = fails(/leads to 169\.254\.169\.254/, false);
    await assert.rejects(async () => {
      // The first try may still meet the connection that has just ended.
      await source.fetchMany(['a']).catch((error) => {
        if (/connection failed/.test(error.message)) return source.fetchMany(['a']);
        throw error;
      });
    }, refusal);
  });

  it('with one forbidden address among good ones are refused', async () => {
    const { port } = await serve((_, response) => json(response, { a: 1 }));
    const { source } = make({ source: `http://mixed.test:${port}` }, `mixed.test:${port}`, async () => [
      { address: '127.0.0.1', family: 4 },
      { address: 'fe80::1', family: 6 },
    ]);
    await assert.rejects(source.fetchMany(['a']), fails(/leads to fe80::1/));
  });

  it('allowed by a pattern only must not lead to private addresses', async () => {
    const { port } = await serve((_, response) => json(response, { a: 1 }));
    const source = `http://a.example.test:${port}`;
    const byPattern = make({ source }, `*.example.test:${port}`, at('127.0.0.1')).source;
    await assert.rejects(
      byPattern.fetchMany(['a']),
      fails(/a private address, and featureHosts names it only by a pattern/),
    );
    const byName = make({ source }, `*.example.test:${port},a.example.test:${port}`, at('127.0.0.1')).source;
    assert.deepEqual(await byName.fetchMany(['a']), [{ a: 1 }]);
  });

  it('without an address fail and may be tried again', async () => {
    const { source } = make({ source: 'http://gone.test:1' }, 'gone.test:1', async () => {
      throw Object.assign(new Error('no'), { code: 'EAI_AGAIN' });
    });
    await assert.rejects(source.fetchMany(['a']), fails(/EAI_AGAIN/, true));
  });
});

describe('TLS', { skip: withoutOpenssl() }, () => {
  it('goes to the checked address under the own name, and there is no way back to plain HTTP', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hotpath-features-'));
    closing.push(async () => rmSync(folder, { recursive: true }));
    const { tlsCert, tlsKey } = makeCertificate(folder, 'features');
    const pem = { cert: readFileSync(tlsCert, 'utf8'), key: readFileSync(tlsKey, 'utf8') };
    const plain = await serve((request, response) => {
      response.writeHead(308, { location: `https://localhost:${port}${request.url}` }).end();
    });
    const secure = createServer(pem, (request, response) => {
      if (request.url === '/users/back') {
        response.writeHead(308, { location: `http://127.0.0.1:${plain.port}/users/a` }).end();
      } else json(response, { servername: (request.socket as TLSSocket & { servername: string }).servername });
    }).listen(0, '127.0.0.1');
    await once(secure, 'listening');
    const { port } = secure.address() as AddressInfo;
    closing.push(async () => {
      secure.closeAllConnections();
      secure.close();
    });
    const hosts = `127.0.0.1:${plain.port},localhost:${port}`;
    const stranger = make({ source: `https://localhost:${port}` }, hosts, at('127.0.0.1')).source;
    await assert.rejects(stranger.fetchMany(['a']), fails(/SELF_SIGNED/, false));

    const known = getCACertificates('default');
    closing.push(async () => setDefaultCACertificates(known));
    setDefaultCACertificates([...known, pem.cert]);
    const up = make({ source: `http://127.0.0.1:${plain.port}` }, hosts, at('127.0.0.1')).source;
    assert.deepEqual(await up.fetchMany(['a']), [{ servername: 'localhost' }]);
    const down = make({ source: `https://localhost:${port}` }, hosts, at('127.0.0.1')).source;
    await assert.rejects(down.fetchMany(['back']), fails(/redirects from https: to http:/, false));
  });
});
