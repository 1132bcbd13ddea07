import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { bindArrays } from '../data/bind-arrays.ts';
import type { TimedModel } from './bench.ts';
import { compareSpeed, measureOf } from './bench.ts';
import type { Candidate } from './choose.ts';
import { choose, paretoFront, speedOf } from './choose.ts';
import { placeVersion } from './place-version.ts';
import { renderReport } from './report.ts';
import type { Measure, OptimizeResult } from './result.ts';

const around = (median: number, spread = 0.02): Measure => ({
  median,
  low: median * (1 - spread),
  high: median * (1 + spread),
});

function candidate(id: string, over: Partial<Candidate> & { readonly speedup?: number } = {}): Candidate {
  const { speedup = 1, ...rest } = over;
  return {
    id,
    title: id,
    state: id === 'original' ? 'original' : 'passed',
    verdict: { passed: true, reason: '' },
    sizeBytes: 1000,
    passes: [],
    difference: undefined,
    layers: [],
    proof: undefined,
    machineSpecific: false,
    timings: [{ batch: 1, ms: around(1 / speedup), speedup: around(speedup) }],
    residentBytes: 1000,
    ...rest,
  };
}

const original = candidate('original');

describe('the choice', () => {
  it('is the fastest of those that passed', () => {
    const variants = [
      original,
      candidate('a', { speedup: 2 }),
      candidate('b', { speedup: 3 }),
      candidate('c', { speedup: 4, state: 'refused' }),
    ];
    assert.equal(choose(variants, 'latency', false).id, 'b');
    assert.equal(choose(variants, 'latency', true).id, 'c');
    assert.match(choose(variants, 'latency', true).reason, /failed its gate/);
  });

  it('keeps the original when a gain is within the noise or nothing passed', () => {
    const noisy = candidate('a', { timings: [{ batch: 1, ms: around(0.5), speedup: around(1.5, 0.5) }] });
    assert.equal(choose([original, noisy], 'latency', false).id, undefined);
    const { id, reason } = choose([original, candidate('a', { speedup: 3, state: 'refused' })], 'latency', false);
    assert.equal(id, undefined);
    assert.match(reason, /keep the original\. 1 was refused/);
  });

  it('follows the target', () => {
    const variants = [
      original,
      candidate('small', { sizeBytes: 200 }),
      candidate('light', { residentBytes: 300, sizeBytes: 900 }),
    ];
    assert.equal(choose(variants, 'size', false).id, 'small');
    assert.equal(choose(variants, 'memory', false).id, 'light');
    assert.equal(choose(variants, 'throughput', false).id, undefined);
  });

  it('takes of equally fast ones that which is faster with many rows, then that which answers more like the original', () => {
    const timed = (id: string, many: number, agreement: number) => {
      const labels = { output: 'y', rows: 9, agreement, accuracy: undefined, classes: [] };
      const timings = [2, many].map((speedup, index) => ({
        batch: 1 + 31 * index,
        ms: around(1),
        speedup: around(speedup),
      }));
      return candidate(id, { timings, difference: { rows: 9, outputs: [], labels, boxes: undefined } });
    };
    const variants = [
      original,
      timed('alike', 1.1, 1),
      timed('quick', 3, 0.991),
      timed('quick and alike', 3.01, 0.995),
    ];
    assert.equal(choose(variants, 'latency', false).id, 'quick and alike');
  });

  it('counts as slower only what every round says', () => {
    assert.equal(speedOf({ batch: 1, ms: around(1), speedup: around(0.5) }), 'slower');
    assert.equal(speedOf({ batch: 1, ms: around(1), speedup: around(0.9, 0.2) }), 'same');
    assert.equal(speedOf({ batch: 1, ms: around(1), speedup: around(1.02, 0.001) }), 'same');
  });
});

describe('the Pareto front', () => {
  it('leaves out what another beats in everything, and what failed', () => {
    const variants = [
      original,
      candidate('fast', { speedup: 3 }),
      candidate('small', { sizeBytes: 100 }),
      candidate('worse', { speedup: 2, sizeBytes: 1100 }),
      candidate('refused', { speedup: 9, sizeBytes: 10, state: 'refused' }),
    ];
    assert.deepEqual([...paretoFront(variants)], ['fast', 'small']);
  });
});

describe('a measure', () => {
  it('has the median and an interval that holds it with 95 % confidence', () => {
    // Tables of the sign test: of 5 values none is enough, of 7 all, of 9 the second to the eighth, of 15 the fourth to the twelfth.
    const ranks = (count: number) => measureOf(Array.from({ length: count }, (_, index) => count - index));
    assert.deepEqual(ranks(7), { median: 4, low: 1, high: 7 });
    assert.deepEqual(ranks(9), { median: 5, low: 2, high: 8 });
    assert.deepEqual(ranks(15), { median: 8, low: 4, high: 12 });
  });
});

describe('the comparison of speed', () => {
  const rows = bindArrays([{ name: 'x', datatype: 'float32', shape: [-1, 1] }], {
    x: { datatype: 'float32', shape: [3, 1], data: Float32Array.of(1, 2, 3) },
  });
  const log: string[] = [];
  const contestant = (id: string, msPerRow: number, failing = false) => ({
    id,
    open: async (): Promise<TimedModel> => ({
      inputs: [],
      outputs: [],
      run: async () => ({}),
      close: async () => void log.push(`${id} closed`),
      time: async ({ x }) => {
        if (failing) throw new Error('it crashed');
        log.push(`${id} ${x!.shape[0]}`);
        return { durationsMs: [msPerRow * x!.shape[0]!], residentBytes: 7 };
      },
    }),
  });

  it('lets all take turns, leaves out batches that take too long, and survives one that crashes', async () => {
    const results = await compareSpeed(
      [contestant('one', 100), contestant('two', 50), contestant('bad', 1, true)],
      rows,
      { rounds: 7 },
    );
    assert.deepEqual(log.slice(0, 4), ['one 1', 'two 1', 'two 1', 'one 1']);
    // Three processes for the seven rounds of each of two batches; the last one goes on with the next batch.
    assert.deepEqual(log.slice(0, log.indexOf('one closed')), ['one 1', 'two 1', 'two 1', 'one 1', 'one 1', 'two 1']);
    assert.equal(log.filter((line) => line === 'one closed').length, 5);
    assert.deepEqual(
      results[1]!.timings.map(({ batch, ms, speedup }) => [batch, ms.median, speedup.median]),
      [
        [1, 50, 2],
        [8, 400, 2],
      ],
    );
    assert.equal(results[1]!.residentBytes, 7);
    assert.deepEqual([results[2]!.failure, results[2]!.timings], ['it crashed', []]);
    assert.ok(log.includes('one closed') && log.includes('bad closed'));
  });
});

describe('placing a version', () => {
  it('adds the next one, once, and leaves all others and model.json alone', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hotpath-place-'));
    try {
      const source = join(folder, 'work', 'model.onnx');
      const repository = join(folder, 'models');
      await import('node:fs/promises').then(({ mkdir }) => mkdir(join(folder, 'work')));
      writeFileSync(source, 'one');
      writeFileSync(`${source}.data`, 'weights');
      writeFileSync(join(folder, 'work', 'checked.json'), '{}');
      assert.deepEqual(await placeVersion(source, repository, 'm', { maxBatchSize: 4 }), {
        version: '1',
        wasThere: false,
      });
      assert.deepEqual(await placeVersion(source, repository, 'm', { maxBatchSize: 9 }), {
        version: '1',
        wasThere: true,
      });
      writeFileSync(`${source}.data`, 'others!');
      assert.deepEqual(await placeVersion(source, repository, 'm', { maxBatchSize: 9 }), {
        version: '2',
        wasThere: false,
      });
      assert.deepEqual(readdirSync(join(repository, 'm')).toSorted(), ['1', '2', 'model.json']);
      assert.deepEqual(readdirSync(join(repository, 'm', '2')).toSorted(), ['model.onnx', 'model.onnx.data']);
      assert.equal(readFileSync(join(repository, 'm', '1', 'model.onnx.data'), 'utf8'), 'weights');
      assert.deepEqual(JSON.parse(readFileSync(join(repository, 'm', 'model.json'), 'utf8')), { maxBatchSize: 4 });
      await assert.rejects(placeVersion(source, repository, '../m'), /no model name/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('the report', () => {
  const result: OptimizeResult = {
    model: '<script>alert(1)</script>',
    task: 'classification',
    target: 'latency',
    maxDrop: 0.01,
    data: { title: 'rows & "more"', synthetic: false, calibrationRows: 2, heldOutRows: 1, labelled: false },
    machine: { cpu: 'CPU', cores: 2, arch: 'x64', vnni: true, runtime: 'onnxruntime' },
    variants: [
      original,
      candidate('<b>', { speedup: 2, layers: [{ value: 'v', node: "n'<", opType: 'Conv', sqnrDb: 30 }] }),
    ].map((variant) => ({ ...variant, pareto: false })),
    chosen: undefined,
    choice: 'none',
    notes: ['<i>'],
  };

  it('escapes whatever files of strangers say, and loads nothing from elsewhere', () => {
    const page = renderReport(result);
    assert.doesNotMatch(page, /<script|<b>|<i>|n'</);
    assert.match(page, /&lt;script&gt;alert/);
    assert.match(page, /rows &amp; &quot;more&quot;/);
    assert.doesNotMatch(page, /https?:|src=|@import|url\(/);
  });
});
