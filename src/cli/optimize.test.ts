import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { OptimizeResult, VariantResult } from '../optimizer/plan/result.ts';
import { UsageError } from './command.ts';
import { run } from './optimize.ts';
import { renderOptimized } from './optimize-table.ts';
import { createStyle } from './terminal.ts';

const style = createStyle(false);
const terminal = { out: () => {}, err: () => {}, style };

describe('the command line of optimize', () => {
  it('is refused before anything is read', async () => {
    const refuses = async (args: string[], pattern: RegExp) =>
      assert.rejects(
        run(args, { terminal, env: {} }),
        (error) => error instanceof UsageError && pattern.test(error.message),
      );
    await refuses([], /Give one model file/);
    await refuses(['a.onnx', 'b.onnx'], /Give one model file/);
    await refuses(['a.onnx', '--max-drop', '1.5'], /--max-drop must be a share such as 1% or 0\.01, not "1\.5"/);
    await refuses(['a.onnx', '--target', 'beauty'], /--target must be one of latency, throughput, size, memory/);
    await refuses(['a.onnx', '--labels', 'y'], /--labels needs --data/);
    await refuses(['a.onnx', '--models', 'm'], /--models needs --register/);
    await refuses(['a.onnx', '--seconds', '0'], /--seconds must be a number above 0/);
    await refuses(['a.onnx', '--quick'], /quick/);
  });
});

describe('the table of optimize', () => {
  const timing = (batch: number, ms: number, median: number) => ({
    batch,
    ms: { median: ms, low: ms, high: ms },
    speedup: { median, low: median * 0.99, high: median * 1.01 },
  });
  const variant = (over: Partial<VariantResult>): VariantResult => ({
    id: 'v',
    title: 'v',
    state: 'passed',
    verdict: { passed: true, reason: '' },
    sizeBytes: 4000,
    passes: [],
    difference: undefined,
    layers: [],
    proof: undefined,
    machineSpecific: false,
    timings: [],
    residentBytes: 0,
    pareto: false,
    ...over,
  });
  const labels = { output: 'y', rows: 100, agreement: 0.97, accuracy: { original: 0.9, variant: 0.88 }, classes: [] };
  const output = {
    name: 'y',
    values: 1,
    maxError: 1,
    meanError: 1,
    cosine: 1,
    sqnrDb: 33.33,
    unexplained: 0,
    notFinite: 0,
  };
  const result: OptimizeResult = {
    model: 'net.onnx',
    task: 'classification',
    target: 'latency',
    maxDrop: 0.01,
    data: { title: 'rows.csv, 300 rows', synthetic: false, calibrationRows: 200, heldOutRows: 100, labelled: true },
    machine: { cpu: 'CPU', cores: 2, arch: 'x64', vnni: true, runtime: 'r' },
    variants: [
      variant({ id: 'original', title: 'original', state: 'original', timings: [timing(1, 2, 1)] }),
      variant({
        id: 'int8',
        title: 'INT8',
        sizeBytes: 1000,
        timings: [timing(1, 1, 2)],
        difference: { rows: 100, outputs: [output], labels, boxes: undefined },
      }),
      variant({ id: 'slow', title: 'slow', timings: [timing(1, 14, 1 / 7)] }),
      variant({ id: 'none', title: 'nothing', state: 'unchanged', verdict: { passed: false, reason: 'No layer.' } }),
    ],
    chosen: 'int8',
    choice: 'INT8: the fastest.',
    notes: [],
  };

  it('says what each variant costs and gives, and plainly which are slower', () => {
    const text = renderOptimized(result, style);
    assert.match(text, /^ {3}original +4\.0 kB +2\.00 ms +- +90\.0 %$/m);
    assert.match(text, /^> {2}INT8 +1\.0 kB \(0\.25x\) +1\.00 ms 2\.0x \(2\.0-2\.0\) +- +88\.0 % +33\.3 dB +passed$/m);
    assert.match(text, /14\.0 ms 7\.0x SLOWER/);
    assert.match(text, /slow is slower than the original here: 7\.0 times with 1 row\./);
    assert.match(text, /nothing is not offered: No layer\./);
    assert.match(text, /INT8: the fastest\.$/);
  });
});
