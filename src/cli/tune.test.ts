import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CheckedLoad, MeasuredPoint, TuneResult } from '../optimizer/tune/result.ts';
import type { Tuned } from '../server-tune.ts';
import { UsageError } from './command.ts';
import { createStyle } from './terminal.ts';
import { run } from './tune.ts';
import { renderTuned } from './tune-table.ts';

const style = createStyle(false);

describe('the command line of tune', () => {
  it('is refused before anything is read', async () => {
    const refuses = async (args: string[], pattern: RegExp) =>
      assert.rejects(
        run(args, { terminal: { out: () => {}, err: () => {}, style }, env: {} }),
        (error) => error instanceof UsageError && pattern.test(error.message),
      );
    await refuses([], /Give the name of one model/);
    await refuses(['iris', 'other'], /Give the name of one model/);
    await refuses(['iris', '--slo-ms', '0'], /--slo-ms must be a number above 0/);
    await refuses(['iris', '--rate', 'fast'], /--rate must be a number above 0 and up to 1000000000, not "fast"/);
    await refuses(['iris', '--seconds', '-1'], /seconds/);
    await refuses(['iris', '--providers', 'cpu,npu'], /--providers must name cpu, webgpu, cuda, tensorrt, not "npu"/);
    await refuses(['iris', '--quick'], /quick/);
  });

  it('says what is not there', async () => {
    const said: string[] = [];
    const terminal = { out: () => {}, err: (text: string) => void said.push(text), style };
    const code = await run(['iris', '--models', '/nowhere'], { terminal, env: {} });
    assert.equal(code, 1);
    assert.deepEqual(said, ['hotpath: There is no model "iris" in the models folder, which holds no model.']);
  });
});

describe('what tune prints', () => {
  const start = { instances: 1, intraOpThreads: 2, graphOptimizationLevel: 'all', executionProvider: 'cpu' } as const;
  const better = { ...start, instances: 2, intraOpThreads: 1 };
  const measured = (point: MeasuredPoint['point'], requestsPerSecond: number): MeasuredPoint => ({
    point,
    perRowMs: 1.234,
    fixedMs: 5,
    visits: 1,
    maxBatchSize: 8,
    requestsPerSecond,
    p99Ms: 80,
    p50Ms: 20,
    goodput: 1,
    atRate: 0.9 * requestsPerSecond,
    threads: 2,
  });
  const load: CheckedLoad = {
    kind: 'traffic',
    ratePerSecond: 1234.5,
    goodput: 0.995,
    inTimePerSecond: 1230,
    p50Ms: 10,
    p99Ms: 40,
    simulated: { goodput: 1, inTimePerSecond: 1234, p50Ms: 11, p99Ms: Number.POSITIVE_INFINITY },
  };
  const result: TuneResult = {
    points: [measured(start, 1000), measured(better, 1500)],
    possible: 9,
    finished: true,
    failures: [{ point: { ...start, executionProvider: 'cuda' }, reason: 'No GPU.' }],
    sloMs: 100,
    ratePerSecond: undefined,
    defaults: { settings: { ...start, maxBatchSize: 8 }, loads: [load] },
    challenger: { settings: { ...better, maxBatchSize: 8 }, loads: [{ ...load, kind: 'overload' }] },
    gain: 1.5,
    improved: true,
    choice: 'It is better.',
    notes: [],
  };
  const tuned: Tuned = {
    model: 'm',
    version: '3',
    key: { modelDigest: 'abc', cpu: 'Some CPU', cores: 2, runtime: 'onnxruntime-node 1.30.0' },
    traffic: 'Poisson',
    result,
    servedSloMs: 1000,
    notes: ['Busy.'],
    kept: { what: 'written', path: 'models/m/tuning.json' },
  };

  it('marks the default and the chosen, and says what to do next', () => {
    const text = renderTuned(tuned, style);
    assert.match(text, /^m version 3, 99 % within 100 ms\. Some CPU, 2 cores, onnxruntime-node 1\.30\.0\.\nPoisson\./);
    assert.match(text, /^default +1 +2 +all +cpu +8 +1\.23 n \+ 5 +1,000 +80 ms$/m);
    assert.match(text, /^> +2 +1 +all +cpu +8 +1\.23 n \+ 5 +1,500 +80 ms$/m);
    assert.match(text, /Measured 2 of 9 settings; none of their neighbours is better than the best\./);
    assert.match(text, /1 instance x 2 threads on cuda could not be used: No GPU\./);
    assert.match(
      text,
      /^default: 1 instance x 2 threads, batches up to 8 +1,235\/s +99\.5 % +100 % +1,230 +1,234 +10 ms +11 ms +40 ms +-$/m,
    );
    assert.match(text, /1,235\/s evenly/);
    assert.match(
      text,
      /Busy\.\n\nIt is better\.\nWritten: models\/m\/tuning\.json\..*Set "sloMs": 100 in model\.json/s,
    );
  });

  it('says when nothing was written, and what would be', () => {
    const kept = { ...tuned, result: { ...result, improved: false }, kept: { what: 'nothing', path: 'p' } } as const;
    assert.match(renderTuned(kept, style), /^> default +1 +2/m);
    assert.match(renderTuned(kept, style), /Nothing was written; there is nothing to do\.$/);
    const dry = { ...tuned, kept: { what: 'would be written', path: 'p' } } as const;
    assert.match(renderTuned(dry, style), /Nothing was written \(--dry-run\); the entry in p would be written\.$/);
    const removed = { ...tuned, kept: { what: 'removed', path: 'p' } } as const;
    assert.match(renderTuned(removed, style), /The older entry in p was removed\.$/);
  });
});
