/**
 * With two HTTP processes, one of them killed as a native abort would: the other answers on, and the dead one is replaced. Three
 * kills, or as many as fit into HOTPATH_CHAOS_SECONDS (a release is tried with 60).
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { modelFolder, post, storeIris } from './support/serve.ts';
import { childrenOf, startServerProcess } from './support/server-process.ts';

const seconds = Number(process.env.HOTPATH_CHAOS_SECONDS ?? 0);

/**
 * Asks on new connections, which may be refused or reset meanwhile, until a process that has not answered before gives a right
 * answer; request ids begin with a text of their process. Gives up after ten seconds.
 */
async function newcomerAnswered(url: string, known: Set<string>): Promise<boolean> {
  const endMs = performance.now() + 10_000;
  while (performance.now() < endMs) {
    try {
      const response = await fetch(`${url}/api/v1/predict`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', connection: 'close' },
        body: JSON.stringify({ features: [6.7, 3.0, 5.2, 2.3] }),
        signal: AbortSignal.timeout(5000),
      });
      const { prediction } = (await response.json()) as { prediction: number };
      const id = response.headers.get('x-request-id')!.split('-')[0]!;
      if (response.status === 200 && prediction === 2 && !known.has(id)) {
        known.add(id);
        return true;
      }
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  return false;
}

test('a killed HTTP process is replaced and no answer is wrong', {
  skip: process.platform !== 'linux',
}, async () => {
  const models = await modelFolder();
  await storeIris(models);
  const { child, url } = await startServerProcess(models, ['--workers', '2'], {
    // A setting of this test is none of the server's.
    HOTPATH_CHAOS_SECONDS: undefined,
  });
  let stopped = false;
  const counts = { right: 0, wrong: 0, lost: 0 };
  async function client(): Promise<void> {
    while (!stopped) {
      try {
        const { status, body } = await post(`${url}/api/v1/predict`, { features: [5.1, 3.5, 1.4, 0.2] });
        if (status === 200 && body.prediction === 0) counts.right++;
        else if (status === 200) counts.wrong++;
      } catch {
        // The connection died with its process; a client that hammers on would keep the replacement from starting.
        counts.lost++;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }
  try {
    const clients = Array.from({ length: 8 }, client);
    const known = new Set<string>();
    for (let process = 0; process < 2; process++) assert.ok(await newcomerAnswered(url, known), 'both serve');
    const endMs = performance.now() + seconds * 1000;
    const recoveriesMs: number[] = [];
    for (let round = 0; round < 3 || performance.now() < endMs; round++) {
      const killed = childrenOf(child.pid!)[round % 2]!;
      const killedMs = performance.now();
      process.kill(killed, 'SIGKILL');
      assert.ok(await newcomerAnswered(url, known), 'no replacement answers');
      recoveriesMs.push(Math.round(performance.now() - killedMs));
      const enough = counts.right + 50;
      while (counts.right < enough) await new Promise((resolve) => setTimeout(resolve, 20));
    }
    stopped = true;
    await Promise.all(clients);
    recoveriesMs.sort((a, b) => a - b);
    const slowestMs = recoveriesMs.at(-1)!;
    if (seconds > 0)
      process.stdout.write(`# ${JSON.stringify({ ...counts, kills: recoveriesMs.length, slowestMs })}\n`);
    assert.ok(slowestMs < 10_000);
    assert.equal(counts.wrong, 0);
    assert.ok(counts.right > 100, `${counts.right} right answers`);
  } finally {
    stopped = true;
    child.kill('SIGTERM');
    await once(child, 'exit');
    await rm(models, { recursive: true, force: true });
  }
});
