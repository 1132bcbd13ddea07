/** The link to a real Redis as a whole: passwords, TLS, status, logs, and that nothing is left of it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { promisify } from 'node:util';
import { freePort } from '../../src/cli/free-port.ts';
import type { Logger } from '../../src/ports/logger.ts';
import { textEntry } from './support/cache-store-contract.ts';
import { makeCertificate, withoutOpenssl } from './support/certificate.ts';
import { connected, linkTo } from './support/redis-link.ts';
import { startRedisServer, withoutRedis } from './support/redis-server.ts';
import { until } from './support/until.ts';

const skip = withoutRedis();
const secret = 'correct-horse-battery';

function recordingLogger(): { readonly logger: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  const write = (level: string) => (fields: object, message: string) =>
    void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const logger = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  return { logger, lines };
}

describe('a link to Redis', { skip }, () => {
  it('uses the password of its URL and shows it nowhere', async () => {
    await using server = await startRedisServer({ password: secret });
    const { logger, lines } = recordingLogger();
    const right = await connected(linkTo(server.url, { logger }));
    await right.cache.setMany([textEntry('k', 'v')]);
    assert.equal((await right.cache.getMany(['k'])).length, 1);
    await right.close();
    assert.equal(lines.length, 1);
    assert.match(lines[0]!, /^info Redis is connected/);

    const wrong = linkTo(server.url.replace(secret, `${secret}-but-wrong`), { logger });
    await until(() => wrong.pool.status().lastError !== undefined);
    const shown = await wrong.cache.getMany(['k']).then(
      () => assert.fail('answered with a wrong password'),
      (error: Error) => `${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`,
    );
    const status = wrong.pool.status();
    assert.equal(status.lastError, 'WRONGPASS');
    assert.equal(status.size, 0);
    await wrong.close();
    const everything = `${shown} ${JSON.stringify(status)} ${lines.join(' ')}`;
    assert.ok(!everything.includes(secret), everything);
    assert.equal(lines.length, 2);
    assert.match(lines[1]!, /^warn Redis cannot be reached; trying again .*WRONGPASS/);
  });

  it('refuses a URL of something else without repeating it', () => {
    for (const url of [
      `http://u:${secret}@host`,
      `redis://u:${secret}@host/name`,
      secret,
      `redis://u:${secret}%zz@host`,
    ]) {
      assert.throws(
        () => linkTo(url),
        (error: Error) => /^The URL of Redis /.test(error.message) && !error.stack!.includes(secret),
      );
    }
  });

  it('speaks TLS, and only with a server whose certificate it trusts', { skip: withoutOpenssl() }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hotpath-redis-tls-'));
    const tls = makeCertificate(folder, 'redis');
    await using server = await startRedisServer({ tls, password: secret });
    const stranger = linkTo(server.url);
    await until(() => stranger.pool.status().lastError !== undefined);
    assert.equal(stranger.pool.status().lastError, 'DEPTH_ZERO_SELF_SIGNED_CERT');
    await stranger.close();

    const trusted = getCACertificates('default');
    setDefaultCACertificates([...trusted, readFileSync(tls.tlsCert, 'utf8')]);
    try {
      for (const host of ['127.0.0.1', 'localhost']) {
        const link = await connected(linkTo(server.url.replace('127.0.0.1', host)));
        await link.cache.setMany([textEntry(host, 'over TLS')]);
        const [found] = await link.cache.getMany([host]);
        assert.equal(new TextDecoder().decode(found!.value), 'over TLS');
        await link.close();
      }
    } finally {
      setDefaultCACertificates(trusted);
      rmSync(folder, { recursive: true });
    }
  });

  it('keeps to the database and the prefix that it is given', async () => {
    await using server = await startRedisServer();
    const links = await Promise.all(
      [
        linkTo(`${server.url}/0`),
        linkTo(`${server.url}/3`),
        linkTo(`${server.url}/3`, { prefix: 'other:' }),
        linkTo(`${server.url}/3`, { prefix: 'o*:' }),
      ].map(connected),
    );
    for (const [index, link] of links.entries()) await link.cache.setMany([textEntry('k', `of ${index}`)]);
    assert.equal(await links[3]!.cache.deletePrefix(''), 1);
    const found = await Promise.all(links.map(async ({ cache }) => (await cache.getMany(['k']))[0]));
    assert.deepEqual(
      found.map((each) => each && new TextDecoder().decode(each.value)),
      ['of 0', 'of 1', 'of 2', undefined],
    );
    await Promise.all(links.map((link) => link.close()));
  });

  it('counts its connections and calls', async () => {
    await using server = await startRedisServer();
    const link = await connected(linkTo(server.url, { connections: 3 }));
    const before = link.pool.status();
    assert.equal(before.kind, 'redis');
    assert.equal(before.name, `redis 127.0.0.1:${server.port}/0`);
    assert.deepEqual([before.size, before.maxSize, before.inUse, before.idle], [3, 3, 0, 3]);
    const calls = Array.from({ length: 6 }, (_, index) => link.limits.addToDay('c', 30_000, index));
    assert.deepEqual([link.pool.status().inUse, link.pool.status().idle], [3, 0]);
    await Promise.all(calls);
    assert.equal(link.pool.status().acquired, before.acquired + 6);
    assert.equal(link.pool.status().inUse, 0);
    link.bus.onInvalidation(() => {});
    await until(() => link.pool.status().size === 4);
    assert.equal(link.pool.status().maxSize, 4);
    await link.close();
    assert.equal(link.pool.status().size, 0);
    await assert.rejects(link.limits.addToDay('c', 30_000, 1), { code: 'SHUTTING_DOWN' });
    await assert.rejects(link.readFeatures(['k']), { code: 'SHUTTING_DOWN' });
    await assert.rejects(link.bus.publish({ model: 'm' }), { code: 'SHUTTING_DOWN' });
  });

  describe('in a process that closes it', () => {
    const child = new URL('./support/redis-child.ts', import.meta.url).pathname;
    const use = async (url: string) =>
      (await promisify(execFile)(process.execPath, [child, url], { timeout: 20_000 })).stdout;

    it('lets the process end', async () => {
      await using server = await startRedisServer();
      assert.equal(await use(server.url), 'fulfilled fulfilled fulfilled fulfilled fulfilled');
    });

    it('lets the process end when there is no Redis', async () => {
      const outcome = await use(`redis://127.0.0.1:${await freePort()}`);
      assert.equal(outcome, 'rejected rejected rejected rejected rejected');
    });

    it('lets the process end when Redis stands still', async () => {
      await using server = await startRedisServer();
      server.pause();
      assert.equal(await use(server.url), 'rejected rejected rejected rejected rejected');
    });
  });
});
