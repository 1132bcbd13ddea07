/** `tune` as a whole on the Iris forest, with real engine processes, and then a real server that loads the model with what came out. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createStyle } from '../../src/cli/terminal.ts';
import { run } from '../../src/cli/tune.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { TuningEntry } from '../../src/ports/tuning.ts';
import { runTune, type Tuned } from '../../src/server-tune.ts';
import { keepTuning } from '../../src/server-tuning-file.ts';
import { get, modelFolder, post, serve, storeIris } from '../e2e/support/serve.ts';

let models: string;
const tuningPath = () => join(models, 'iris', 'tuning.json');

before(async () => {
  models = await modelFolder();
  await storeIris(models);
  await mkdir(join(models, 'chain'), { recursive: true });
  const steps = [{ model: 'iris', inputs: { features: 'features' }, outputs: { label: 'label' } }];
  await writeFile(join(models, 'chain', 'model.json'), JSON.stringify({ pipeline: { steps } }));
});
after(() => rm(models, { recursive: true, force: true }));

function configOf(threads = '2') {
  const flags = { models, threads, 'cache-dir': join(models, '.cache') };
  return loadConfig({ file: undefined, env: {}, flags }).config;
}

async function tune(...args: string[]): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const [out, err]: [string[], string[]] = [[], []];
  const terminal = {
    out: (text: string) => void out.push(text),
    err: (text: string) => void err.push(text),
    style: createStyle(false),
  };
  const env = { HOTPATH_MODELS: models, HOTPATH_CACHE_DIR: join(models, '.cache') };
  const code = await run(args, { terminal, env });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

/** An outcome of which the challenger is the better one, whatever this machine says today. */
function improvedBy(tuned: Tuned, settings: TuningEntry['settings']): Tuned {
  const challenger = { ...tuned.result.defaults, settings };
  return { ...tuned, result: { ...tuned.result, challenger, gain: 1.5, improved: true } };
}

describe('hotpath tune', () => {
  let tuned: Tuned;

  it('measures real settings within the cores, under load', async () => {
    const seen: string[] = [];
    const request = { config: configOf(), model: 'iris', budgetMs: 1500, dryRun: true, sloMs: 200 };
    tuned = await runTune(request, { onProgress: (_, what) => void seen.push(what) });
    const { result, key, version } = tuned;
    assert.equal(version, '1');
    assert.equal(key.cores, 2);
    assert.match(key.runtime, /^onnxruntime-node \d+\.\d+\.\d+/);
    assert.equal(result.sloMs, 200);
    assert.equal(tuned.servedSloMs, 1000);
    assert.equal(result.possible, 9);
    // A slow machine may have had no time for a second one, and then says so.
    assert.ok(result.points.length >= (result.finished ? 2 : 1));
    for (const { point, requestsPerSecond, perRowMs, fixedMs } of result.points) {
      assert.ok(point.instances * point.intraOpThreads <= 2);
      assert.ok(requestsPerSecond > 0 && perRowMs + fixedMs > 0);
    }
    assert.deepEqual(
      result.defaults.loads.map(({ kind }) => kind),
      ['traffic', 'overload'],
    );
    assert.ok(result.defaults.loads.every(({ inTimePerSecond, p99Ms }) => inTimePerSecond > 0 && p99Ms > 0));
    assert.ok(seen.includes('1 instance x 1 thread') && seen.includes('final check'));
    assert.ok(!existsSync(tuningPath()), 'a dry run wrote something');
  });

  it('keeps what it found, and a server loads the model with it and says so', async () => {
    const settings = { ...tuned.result.defaults.settings, instances: 2, maxBatchSize: 16 };
    const graphOptimizationLevel = 'extended' as const;
    const kept = await keepTuning(models, improvedBy(tuned, { ...settings, graphOptimizationLevel }), false);
    assert.deepEqual([kept.what, kept.path, kept.asidePath], ['written', tuningPath(), undefined]);
    assert.deepEqual((await readdir(join(models, 'iris'))).sort(), ['1', 'model.json', 'tuning.json']);
    const server = await serve(models, { threads: '2' });
    try {
      const answer = await post(`${server.url}/api/v1/models/iris/predict`, { features: [5.1, 3.5, 1.4, 0.2] });
      assert.equal(answer.body.label, 'setosa');
      const { loaded } = (await get(`${server.url}/api/v1/models/iris`)).body;
      assert.deepEqual([loaded.instances, loaded.intraOpThreads, loaded.batching.maxBatchSize], [2, 1, 16]);
      const today = new Date().toISOString().slice(0, 10);
      const note = `Tuned on ${today} for an SLO of 200 ms: 2 instances x 1 thread, batches up to 16, graph optimization extended.`;
      assert.ok(loaded.notes.includes(note), loaded.notes.join('\n'));
    } finally {
      await server.close();
    }
  });

  it('is not used by a server that has other cores, nor when the file is broken, and the model answers all the same', async () => {
    const notesOf = async (threads: string) => {
      const server = await serve(models, { threads });
      try {
        const answer = await post(`${server.url}/api/v1/models/iris/predict`, { features: [5.1, 3.5, 1.4, 0.2] });
        assert.equal(answer.status, 200);
        const { loaded } = (await get(`${server.url}/api/v1/models/iris`)).body;
        assert.equal(loaded.instances, 1);
        return loaded.notes.join('\n');
      } finally {
        await server.close();
      }
    };
    assert.match(await notesOf('3'), /tuning\.json is not used: its settings were measured with another machine/);
    const good = await readFile(tuningPath(), 'utf8');
    await writeFile(tuningPath(), good.slice(0, 100));
    assert.match(await notesOf('2'), /tuning\.json is not used: it is not valid JSON\./);
    await writeFile(tuningPath(), good);
  });

  it('keeps entries of other machines, takes out its own when the default is best, and puts aside what is none of its', async () => {
    const entriesOf = () => (JSON.parse(readFileSync(tuningPath(), 'utf8')) as { entries: TuningEntry[] }).entries;
    const settings = { ...tuned.result.defaults.settings, instances: 2 };
    const elsewhere = { ...improvedBy(tuned, settings), key: { ...tuned.key, cores: 64 } };
    await keepTuning(models, elsewhere, false);
    assert.deepEqual(
      entriesOf().map(({ cores }) => cores),
      [2, 64],
    );
    const best = { ...tuned, result: { ...tuned.result, improved: false } };
    assert.equal((await keepTuning(models, best, true)).what, 'would be removed');
    assert.equal((await keepTuning(models, best, false)).what, 'removed');
    assert.deepEqual(
      entriesOf().map(({ cores }) => cores),
      [64],
    );
    assert.equal((await keepTuning(models, best, false)).what, 'nothing');
    await writeFile(tuningPath(), 'mine');
    const kept = await keepTuning(models, improvedBy(tuned, settings), false);
    assert.equal(await readFile(kept.asidePath!, 'utf8'), 'mine');
    assert.deepEqual(
      entriesOf().map(({ cores }) => cores),
      [2],
    );
    await rm(kept.asidePath!);
    await rm(tuningPath());
  });

  it('prints and exits by what came out, with recorded traffic at a given rate', async () => {
    const trace = join(models, '..', `${models.split('/').at(-1)}.csv`);
    const times = Array.from({ length: 200 }, (_, index) => `${(index ** 1.1 / 10).toFixed(4)},1`);
    await writeFile(trace, `timestamp,tokens\n${times.join('\n')}\n`);
    try {
      const { code, out, err } = await tune(
        'iris',
        '--seconds',
        '0.5',
        '--threads',
        '1',
        '--traffic',
        trace,
        '--rate',
        '500',
      );
      assert.ok(code === 0 || code === 3, `${code} ${err}`);
      assert.match(out, /^iris version 1, 99 % within 1,000 ms at 500 requests\/s\. .*, 1 core, onnxruntime-node/);
      assert.match(out, /200 recorded requests \(timestamp: seconds\)\./);
      assert.match(out, /Measured \d of 3 settings/);
      assert.equal(existsSync(tuningPath()), code === 0);
    } finally {
      await rm(trace);
      await rm(tuningPath(), { force: true });
    }
  });

  it('says what cannot be tuned', async () => {
    const said = async (...args: string[]) => {
      const { code, err } = await tune(...args);
      assert.equal(code, 1);
      return err;
    };
    assert.match(await said('rose'), /There is no model "rose" in the models folder, which holds chain, iris\./);
    assert.match(await said('chain'), /Model "chain" is a pipeline: tune the models of its steps\./);
    assert.match(await said('iris', '--model-version', '7'), /has no version "7"/);
    assert.match(await said('iris', '--traffic', 'none.csv'), /The traffic file cannot be read \(ENOENT\)\./);
    assert.match(await said('iris', '--traffic', 'none.txt'), /must end in \.csv, \.jsonl or \.ndjson/);
    assert.match(
      await said('iris', '--slo-ms', '0.001', '--seconds', '0.5'),
      /No setting answers requests within 0\.001 ms/,
    );
  });

  it('leaves no process and no file behind when it is interrupted', {
    skip: process.platform !== 'linux',
  }, async () => {
    const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
    const cli = spawn(process.execPath, [main, 'tune', 'iris', '--models', models, '--seconds', '600'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, HOTPATH_CACHE_DIR: join(models, '.cache') },
    });
    let said = '';
    cli.stderr.on('data', (chunk: Buffer) => {
      said += chunk;
    });
    const ended = new Promise<number | null>((resolve) => cli.once('exit', (code) => resolve(code)));
    const measuring = await childOf(cli.pid!, 'server-tune-child');
    cli.kill('SIGINT');
    assert.equal(await ended, 1);
    assert.match(said, /hotpath: Interrupted: nothing was written\.\n$/);
    assert.ok(!existsSync(`/proc/${measuring}`));
    assert.deepEqual((await readdir(join(models, 'iris'))).sort(), ['1', 'model.json']);
  });
});

/** Waits until the process has a child with this in its command line. */
async function childOf(pid: number, part: string): Promise<number> {
  for (;;) {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
    for (const child of children.split(' ').filter(Boolean)) {
      const command = await readFile(`/proc/${child}/cmdline`, 'utf8').catch(() => '');
      if (command.includes(part)) return Number(child);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
