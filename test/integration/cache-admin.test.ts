/** `hotpath cache` against a real admin listener: what an operator types and sees, and what happens when he leaves. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, describe, it } from 'node:test';
import { runCli } from '../../src/cli/run-cli.ts';
import { createTerminal } from '../../src/cli/terminal.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { WarmStatus } from '../../src/core/cache-warming/warm-ups.ts';
import { HotpathError, invalidInput } from '../../src/core/errors.ts';
import { createAdminServer } from '../../src/protocols/admin/admin-server.ts';
import type { CacheAdmin, WarmRequest } from '../../src/protocols/admin/cache-routes.ts';
import type { AdminDeps } from '../../src/protocols/admin/deps.ts';

const begun: WarmStatus = {
  state: 'warming',
  model: 'iris',
  version: '1',
  total: 200,
  computed: 50,
  cached: 0,
  failed: 0,
  skipped: 0,
  elapsedMs: 500,
  perSecond: 100,
  remainingMs: 1500,
};
const done: WarmStatus = { ...begun, state: 'done', computed: 190, cached: 10, elapsedMs: 2000, errors: [] };

async function setUp(given: Partial<CacheAdmin> = {}, result: Promise<WarmStatus> = Promise.resolve(done)) {
  const requests: WarmRequest[] = [];
  const cancelled = Promise.withResolvers<string>();
  const cache: CacheAdmin = {
    status: async () => ({
      processes: 2,
      tiers: [
        { tier: 'memory', state: 'closed', entries: 1200, bytes: 3_500_000, maxBytes: 2 ** 29 },
        { tier: 'redis', state: 'open' },
      ],
      models: [{ model: 'iris', version: '1', entries: 1200, bytes: 900 }],
    }),
    invalidate: async () => ({ dropped: { memory: 12, redis: 40 }, failed: [] }),
    warm: async (asked) => {
      requests.push(asked);
      if (asked.model === 'none') throw new HotpathError('MODEL_NOT_FOUND', 'There is no model "none".');
      return { status: () => begun, result, cancel: cancelled.resolve };
    },
    ...given,
  };
  const silent = () => {};
  const { config } = loadConfig({ file: undefined, env: {}, flags: { 'admin-port': '0' } });
  const server = createAdminServer({
    config,
    logger: { debug: silent, info: silent, warn: silent, error: silent },
    pools: () => [],
    cache,
  } as unknown as AdminDeps);
  after(() => server.destroy());
  const { url } = await server.listen();
  return { url, requests, cancelled: cancelled.promise };
}

async function cli(args: readonly string[], isTTY = false) {
  let out = '';
  let err = '';
  const stdout = { write: (text: string) => (out += text) };
  const stderr = { isTTY, columns: 100, write: (text: string) => (err += text) };
  const env = { NO_COLOR: '1' };
  const code = await runCli(['cache', ...args], { terminal: createTerminal({ stdout, stderr }, env), env });
  return { code, out, err };
}

describe('hotpath cache', () => {
  it('shows the tiers and the models in memory as tables', async () => {
    const { url } = await setUp();
    const { code, out, err } = await cli(['status', '--url', url]);
    assert.deepEqual([code, err], [0, '']);
    assert.equal(
      out,
      [
        'TIER    STATE    ENTRIES  SIZE     LIMIT',
        'memory  ok       1200     3.3 MiB  512.0 MiB',
        'redis   failing  -        -        -',
        '',
        'MODEL  VERSION  ENTRIES  SIZE',
        'iris   1        1200     900 B',
        '',
        'Memory of 2 processes together.',
        '',
      ].join('\n'),
    );
    const { out: json } = await cli(['status', '--url', url, '--json']);
    assert.equal(JSON.parse(json).models[0].bytes, 900);
  });

  it('drops what fits a pattern, and fails when a tier could not be asked', async () => {
    const asked: unknown[] = [];
    const { url } = await setUp({
      invalidate: async (invalidation) => {
        asked.push(invalidation);
        return { dropped: { memory: 12 }, failed: invalidation.version === undefined ? [] : ['redis'] };
      },
    });
    assert.deepEqual(await cli(['invalidate', 'ir*', '--url', url]), {
      code: 0,
      out: 'TIER    DROPPED\nmemory  12\n',
      err: '',
    });
    const partly = await cli(['invalidate', 'iris', '--version', '2', '--url', url]);
    assert.equal(partly.code, 1);
    assert.equal(partly.err, 'hotpath: redis could not be asked; entries there stay until they expire.\n');
    assert.deepEqual(asked, [
      { model: 'ir*', version: undefined },
      { model: 'iris', version: '2' },
    ]);
  });

  it('warms with a bar on a terminal, and with plain lines elsewhere', async () => {
    const { url, requests } = await setUp();
    const flags = ['--hours', '0.5', '--top', '20', '--file', 'lines.jsonl', '--version', 'stable', '--url', url];
    const onTerminal = await cli(['warm', 'iris', ...flags], true);
    const result = 'iris 1: 190 computed, 10 cached already, 0 failed in 2 s\n';
    assert.deepEqual([onTerminal.code, onTerminal.out], [0, result]);
    const bar = '[######------------------] 25 %  50 of 200, 100/s, 2 s left';
    assert.equal(onTerminal.err, `\r\u001b[K${bar}\r\u001b[K`);
    const elsewhere = await cli(['warm', 'iris', '--url', url]);
    assert.deepEqual(elsewhere, { code: 0, out: result, err: `${bar}\n` });
    const file = 'lines.jsonl';
    assert.deepEqual(requests[0], { model: 'iris', version: 'stable', hours: 0.5, top: 20, file });
  });

  it('prints the lines of the server with --json', async () => {
    const { url } = await setUp();
    const { out, err } = await cli(['warm', 'iris', '--json', '--url', url], true);
    const lines = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual([err, lines.map(({ state }) => state)], ['', ['warming', 'done']]);
  });

  it('fails with sentences when inputs failed, when it was stopped, or when its inputs could not be read', async () => {
    const failed = { ...done, failed: 1, errors: ['line 3: features: expected 4 numbers, got 2'] };
    const some = await cli(['warm', 'iris', '--url', (await setUp({}, Promise.resolve(failed))).url]);
    assert.deepEqual([some.code, some.out.includes('1 failed in 2 s')], [1, true]);
    assert.match(some.err, /^hotpath: line 3: features: expected 4 numbers, got 2$/m);
    const stopped: WarmStatus = { ...done, state: 'stopped', skipped: 4, reason: 'The server is stopping.' };
    const early = await cli(['warm', 'iris', '--url', (await setUp({}, Promise.resolve(stopped))).url]);
    assert.equal(early.code, 1);
    assert.match(early.out, /0 failed, 4 no longer fit; stopped: The server is stopping\.$/m);
    const unread = Promise.reject(invalidInput('file', 'file: The file "a" is absent.'));
    unread.catch(() => {});
    const broken = await cli(['warm', 'iris', '--url', (await setUp({}, unread)).url], true);
    assert.deepEqual([broken.code, broken.out], [1, '']);
    assert.match(broken.err, /hotpath: INVALID_INPUT: file: The file "a" is absent\.\n$/);
  });

  it('says so when the model is unknown, when nobody answers, or when it is used wrongly', async () => {
    const { url } = await setUp();
    const unknown = await cli(['warm', 'none', '--url', url]);
    assert.deepEqual(unknown, { code: 1, out: '', err: 'hotpath: MODEL_NOT_FOUND: There is no model "none".\n' });
    const nobody = await cli(['status', '--url', 'http://127.0.0.1:1']);
    assert.equal(nobody.code, 1);
    assert.match(nobody.err, /^hotpath: No server answers at http:\/\/127\.0\.0\.1:1 /);
    for (const args of [
      [],
      ['statsu'],
      ['status', 'iris'],
      ['status', '--top', '3'],
      ['invalidate'],
      ['invalidate', 'a', 'b'],
      ['invalidate', 'a', '--hours', '1'],
      ['warm'],
      ['warm', 'a', '--hours', 'many'],
      ['warm', 'a', '--fast'],
    ]) {
      assert.equal((await cli(args)).code, 2, args.join(' '));
    }
  });
});

describe('a warm-up whose client leaves', () => {
  it('is cancelled', async () => {
    const result = Promise.withResolvers<WarmStatus>();
    const { url, cancelled } = await setUp({}, result.promise);
    const asking = request(`${url}/admin/cache/warm`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
    });
    asking.on('error', () => {});
    asking.end(JSON.stringify({ model: 'iris' }));
    asking.once('response', (response) => response.once('data', () => asking.destroy()));
    assert.equal(await cancelled, 'The client left.');
    result.resolve({ ...done, state: 'stopped' });
  });
});
