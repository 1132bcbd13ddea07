import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, describe, it } from 'node:test';
import { keyCrypto } from '../adapters/auth/digest.ts';
import { readKeyFile } from '../adapters/auth/key-file.ts';
import { verifyPassword } from '../adapters/auth/password.ts';
import { parsePasswordHash } from '../config/auth-fields.ts';
import type { AuditEntry, StoredKey } from '../ports/key-store.ts';
import { runAuth } from './auth.ts';
import { type KeyDatabase, runKeys } from './keys.ts';
import type { PasswordInput } from './read-password.ts';
import { runCli } from './run-cli.ts';
import { createTerminal } from './terminal.ts';

const folder = mkdtempSync(join(tmpdir(), 'hotpath-keys-cli-'));
after(() => rmSync(folder, { recursive: true }));

function captured() {
  const text = { out: '', err: '' };
  const stdout = { write: (chunk: string) => (text.out += chunk) };
  const stderr = { write: (chunk: string) => (text.err += chunk) };
  return { text, context: { terminal: createTerminal({ stdout, stderr }, {}), env: {} } };
}

/** What a database keeps, without one. */
function memoryDatabase() {
  const keys: StoredKey[] = [];
  const audit: AuditEntry[] = [];
  const state = { closed: 0 };
  const database: KeyDatabase = {
    keys: {
      list: async () => keys,
      revision: async () => `${keys.length}`,
      insert: async (key) => void keys.push(key),
      revoke: async (id, nowMs) => {
        const index = keys.findIndex((key) => key.id === id && key.revokedMs === undefined);
        if (index !== -1) keys[index] = { ...keys[index]!, revokedMs: nowMs };
        return index !== -1;
      },
    },
    audit: { append: async (entry) => void audit.push(entry), list: async () => audit },
    close: async () => void state.closed++,
  };
  return { database, keys, audit, state };
}

describe('hotpath keys', () => {
  const open = () => {
    const memory = memoryDatabase();
    const ask = async (...args: string[]) => {
      const { text, context } = captured();
      const code = await runKeys(args, context, async () => memory.database);
      return { code, ...text };
    };
    return { ...memory, ask };
  };

  it('makes a key, prints it once, and lists and revokes it', async () => {
    const { ask, keys, audit, state } = open();
    const flags = [
      '--models',
      'iris, fraud-*',
      '--rate',
      '100',
      '--burst',
      '200',
      '--per-day',
      '5000',
      '--concurrency',
      '4',
    ];
    const made = await ask('create', '--name', 'ci', '--role', 'predict', ...flags, '--expires', '90d');
    assert.equal(made.code, 0);
    assert.match(made.out, /^hp_\w{12}_[\w-]{43}\n$/);
    const [stored] = keys;
    assert.equal(made.err, `This is the key "ci" (${stored!.id}). It is not stored and cannot be shown again.\n`);
    assert.deepEqual(Buffer.from(stored!.hash), keyCrypto.sha256(made.out.trim()));
    assert.deepEqual(stored!.models, ['iris', 'fraud-*']);
    assert.deepEqual(stored!.limits, { requestsPerSecond: 100, burst: 200, requestsPerDay: 5000, concurrency: 4 });
    assert.equal(stored!.expiresMs! - stored!.createdMs, 90 * 86_400_000);

    const listed = await ask('list');
    assert.match(listed.out, new RegExp(`^${stored!.id} +ci +predict +iris,fraud-\\* +active `, 'm'));
    const json = await ask('list', '--json');
    assert.equal(JSON.parse(json.out).keys[0].state, 'active');
    assert.doesNotMatch(listed.out + json.out, new RegExp(made.out.slice(16, 40)));

    assert.equal((await ask('revoke', stored!.id)).code, 0);
    assert.match((await ask('list')).out, / revoked /);
    assert.deepEqual(await ask('revoke', stored!.id), {
      code: 1,
      out: '',
      err: 'hotpath: There is no active API key with this id.\n',
    });
    assert.deepEqual(
      audit.map(({ caller, action, target }) => [caller, action, target]),
      [
        ['cli', 'key.create', stored!.id],
        ['cli', 'key.revoke', stored!.id],
      ],
    );
    assert.equal(state.closed, 6);
  });

  it('says what is wrong with its flags before it opens anything', async () => {
    const { ask, state } = open();
    const usage: [string[], RegExp][] = [
      [[], /Say what to do/],
      [['crate'], /Say what to do/],
      [['create', '--name', 'ci'], /needs --name and --role/],
      [['create', '--name', 'ci', '--role', 'predict', '--rate', 'fast'], /--rate must be a number/],
      [['create', '--name', 'ci', '--role', 'predict', '--expires', 'soon'], /--expires must be/],
      [['create', 'ci', '--name', 'ci', '--role', 'predict'], /Unexpected argument "ci"/],
      [['revoke'], /Give the id/],
      [['list', '--jsno'], /--jsno/],
    ];
    for (const [args, message] of usage) await assert.rejects(ask(...args), { name: 'UsageError', message });
    assert.equal(state.closed, 0);
    const wrong = await ask('create', '--name', 'ci', '--role', 'root');
    assert.deepEqual([wrong.code, wrong.err], [2, 'hotpath: "role" must be one of predict, operate, admin.\n']);
  });
});

describe('hotpath auth', () => {
  const ask = async (input: PasswordInput, ...args: string[]) => {
    const { text, context } = captured();
    const code = await runAuth(args, context, input);
    return { code, ...text };
  };
  const piped = (text: string): PasswordInput => Readable.from([text]);
  const typed = (...chunks: string[]) => {
    const modes: boolean[] = [];
    const input: PasswordInput = Object.assign(Readable.from(chunks), {
      isTTY: true,
      setRawMode: (raw: boolean) => modes.push(raw),
    });
    return { input, modes };
  };
  const fits = (password: string, hash: string) => verifyPassword(password, parsePasswordHash(hash.trim())!);

  it('hashes one line of standard input', async () => {
    for (const text of ['pass word', 'pass word\n', 'pass word\r\n', 'pass word\nmore\n']) {
      const { code, out } = await ask(piped(text), 'hash');
      assert.equal(code, 0);
      assert.equal(await fits('pass word', out), true, JSON.stringify(text));
    }
    assert.deepEqual(await ask(piped('\n'), 'hash'), { code: 1, out: '', err: 'hotpath: No password was given.\n' });
  });

  it('asks twice on a terminal, without showing what is typed', async () => {
    const right = typed('secx', '\u007f', 'ret\rsec', 'ret\r');
    const { code, out, err } = await ask(right.input, 'hash');
    assert.equal(code, 0);
    assert.equal(await fits('secret', out), true);
    assert.doesNotMatch(err + out, /sec|ret/);
    assert.deepEqual(right.modes, [true, false]);

    const different = typed('one\r', 'two\r');
    assert.match((await ask(different.input, 'hash')).err, /not the same/);
    const left = typed('one\r', 'on\u0003');
    assert.equal((await ask(left.input, 'hash')).code, 1);
    assert.deepEqual(left.modes, [true, false]);
  });

  it('rotates the keys of the configured file', async () => {
    const path = join(folder, 'keys.json');
    const { code, out } = await ask(piped(''), 'rotate', '--auth-key-file', path, '--algorithm', 'ES256');
    assert.equal(code, 0);
    const { keys } = (await readKeyFile(path))!;
    assert.deepEqual(
      keys.map(({ alg }) => alg),
      ['EdDSA', 'ES256'],
    );
    assert.match(out, new RegExp(`^Key ${keys[1]!.kid} signs from now on`));
    await assert.rejects(ask(piped(''), 'rotate', '--algorithm', 'HS256'), { name: 'UsageError' });
  });

  it('and hotpath keys are among the commands', async () => {
    const { text, context } = captured();
    assert.equal(await runCli(['auth', '--help'], context), 0);
    assert.equal(await runCli(['keys', '--help'], context), 0);
    assert.match(text.out, /hotpath auth hash[\s\S]*hotpath keys create/);
  });
});
