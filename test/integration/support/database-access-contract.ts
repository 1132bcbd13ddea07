/** The part of the database's contract about API keys, the audit log and the reads of operators; see prediction-store-contract.ts. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Database } from '../../../src/ports/database.ts';
import type { StoredKey } from '../../../src/ports/key-store.ts';

export function accessContract(database: () => Database): void {
  it('keeps API keys: lists them oldest first, revokes once, and its revision tells of both', async () => {
    const key = (id: string, createdMs: number): StoredKey => ({
      id,
      hash: new Uint8Array(32).fill(createdMs),
      name: `key of ${id}`,
      role: 'operate',
      models: ['iris', 'res*'],
      limits: { requestsPerSecond: 10, concurrency: 2 },
      createdMs,
      expiresMs: createdMs + 1000,
      revokedMs: undefined,
    });
    const unlimited: StoredKey = { ...key('unlimited', 1), models: undefined, limits: {}, expiresMs: undefined };
    const revisions = [await database().keys.revision()];
    const note = async () => revisions.push(await database().keys.revision());
    await database().keys.insert(key('second', 2));
    await note();
    await database().keys.insert(unlimited);
    await note();
    await assert.rejects(database().keys.insert(unlimited));
    assert.deepEqual(await database().keys.list(), [unlimited, key('second', 2)]);
    assert.equal(await database().keys.revoke('second', 77), true);
    await note();
    assert.equal(await database().keys.revoke('second', 78), false);
    assert.equal(await database().keys.revoke('nobody', 78), false);
    assert.equal((await database().keys.list())[1]?.revokedMs, 77);
    assert.equal(new Set(revisions).size, 4);
    assert.equal(await database().keys.revision(), revisions.at(-1));
  });

  it('keeps the audit log, newest first', async () => {
    const entries = [1, 2, 3].map((createdMs) => ({
      createdMs,
      caller: 'cli',
      action: 'key.create',
      target: `t${createdMs}`,
      outcome: 'OK',
    }));
    for (const entry of entries) await database().audit.append(entry);
    assert.deepEqual(await database().audit.list(2), [entries[2], entries[1]]);
  });

  it('reads for operators, with values by placeholder', async () => {
    const [one, two] = [database().placeholder(1), database().placeholder(2)];
    const sql = `SELECT name, created_ms FROM api_keys WHERE id = ${two} AND revoked_ms = ${one}`;
    assert.deepEqual(await database().read(sql, [77, 'second'], 5000), [{ name: 'key of second', created_ms: 2 }]);
    assert.deepEqual(await database().read(`SELECT name FROM api_keys WHERE id = ${one};`, [`' OR 1=1 --`], 5000), []);
  });

  it('reads integers beyond 2^53 with every digit', async () => {
    const sql = 'SELECT 9007199254740993 AS wide, 9007199254740991 AS exact, -5 AS small';
    const [row] = await database().read(sql, [], 5000);
    assert.deepEqual([row!.wide, Number(row!.exact), Number(row!.small)], [9007199254740993n, 9007199254740991, -5]);
  });

  const refused = [
    `DELETE FROM api_keys`,
    `UPDATE api_keys SET role = 'admin'`,
    `DROP TABLE api_keys`,
    `SELECT 1; DELETE FROM api_keys`,
    `WITH gone AS (DELETE FROM api_keys RETURNING *) SELECT * FROM gone`,
    `INSERT INTO audit_log (created_ms, caller, action, target, outcome) VALUES (1, '', '', '', '')`,
    `SELECT * FROM no_such_table`,
    `this is no SQL`,
  ];
  for (const sql of refused) {
    it(`refuses to read by "${sql}"`, async () => {
      const before = [await database().keys.list(), (await database().audit.list(1000)).length];
      await assert.rejects(database().read(sql, [], 5000));
      assert.deepEqual([await database().keys.list(), (await database().audit.list(1000)).length], before);
    });
  }
}
