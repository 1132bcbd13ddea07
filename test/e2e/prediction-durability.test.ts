/** A server is killed in the middle of its work: every prediction whose id a client was given is in the database afterwards. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../src/adapters/system-clock.ts';
import { openDatabase } from '../../src/server-database.ts';
import { silentLogger } from '../integration/support/predictions.ts';
import { modelFolder, storeIris } from './support/serve.ts';
import { startServerProcess } from './support/server-process.ts';

const rounds = 3;

test('predictions acknowledged as stored survive a SIGKILL, round after round', async () => {
  const models = await modelFolder();
  const url = `sqlite:${join(models, 'predictions.db')}`;
  const acknowledged: string[] = [];
  try {
    await storeIris(models);
    for (let round = 0; round < rounds; round++) {
      const server = await startServerProcess(models, ['--prediction-log', 'stored', '--database-url', url]);
      const target = acknowledged.length + 100 * (round + 1);
      await Promise.allSettled(
        Array.from({ length: 16 }, (_, client) =>
          askUntilDeath(server.url, client, acknowledged, () => {
            if (acknowledged.length >= target) server.child.kill('SIGKILL');
          }),
        ),
      );
      if (server.child.exitCode === null && server.child.signalCode === null) await once(server.child, 'exit');
      assert.ok(acknowledged.length >= target);
    }
    const database = await openDatabase({ url, clock: systemClock, logger: silentLogger });
    for (const id of acknowledged) {
      const record = await database.predictions.find(id);
      assert.equal(record?.status, 'OK', id);
    }
    await database.close();
    assert.equal(new Set(acknowledged).size, acknowledged.length);
  } finally {
    await rm(models, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }
});

/** Ends with the first request that is not answered. */
async function askUntilDeath(url: string, client: number, acknowledged: string[], then: () => void): Promise<void> {
  for (let step = 0; ; step++) {
    const body = JSON.stringify({ features: [5 + client / 10, 3.5, 1.4, (step % 20) / 10] });
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${url}/api/v1/predict`, { method: 'POST', headers, body });
    await response.arrayBuffer();
    const id = response.headers.get('x-prediction-id');
    if (response.status === 200 && id !== null) acknowledged.push(id);
    then();
  }
}
