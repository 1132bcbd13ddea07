import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { describe, it } from 'node:test';
import type { HotpathError } from '../../src/core/errors.ts';
import { float, int, makeNode, makeTensor, makeValueInfo } from '../../src/onnx-file/model.ts';
import type { ProbeReport } from '../../src/ports/engine.ts';
import type { ModelDraft } from './support/engine-harness.ts';
import { fixture, modelBytes, startHarness, withoutFixtures } from './support/engine-harness.ts';

const io = (output: readonly (number | string)[] = ['batch', 3]) => ({
  inputs: [makeValueInfo('x', 'float32', ['batch', 3])],
  outputs: [makeValueInfo('y', 'float32', output)],
});
const vector = (name: string, ...values: number[]) =>
  makeTensor(name, 'float32', [values.length], Float32Array.from(values));

const rowWise: Record<string, ModelDraft> = {
  'a softmax over the features': { nodes: [makeNode('Softmax', ['x'], ['y'], { axis: int(1) })], ...io() },
  'a mean of each row': {
    nodes: [makeNode('ReduceMean', ['x'], ['y'], { axes: { type: 'ints', value: [1] }, keepdims: int(0) })],
    ...io(['batch']),
  },
  'batch normalisation for inference': {
    nodes: [makeNode('BatchNormalization', ['x', 'scale', 'bias', 'mean', 'variance'], ['y'])],
    initializers: [
      vector('scale', 1, 2, 3),
      vector('bias', 0, 1, 0),
      vector('mean', 0, 0, 1),
      vector('variance', 1, 1, 4),
    ],
    ...io(),
  },
};

const mixing: Record<string, ModelDraft> = {
  'a softmax over the batch': { nodes: [makeNode('Softmax', ['x'], ['y'], { axis: int(0) })], ...io() },
  'a sum over the batch added to each row': {
    nodes: [
      makeNode('ReduceMean', ['x'], ['mean'], { axes: { type: 'ints', value: [0] }, keepdims: int(1) }),
      makeNode('Sub', ['x', 'mean'], ['y']),
    ],
    ...io(),
  },
  'a sum over everything': {
    nodes: [makeNode('ReduceMax', ['x'], ['top'], { keepdims: int(1) }), makeNode('Sub', ['x', 'top'], ['y'])],
    ...io(),
  },
  'a running sum': {
    nodes: [makeNode('CumSum', ['x', 'axis'], ['y'])],
    initializers: [makeTensor('axis', 'int32', [], Int32Array.of(0))],
    ...io(),
  },
  'sorting the batch': {
    nodes: [
      makeNode('Shape', ['x'], ['rows'], { start: int(0), end: int(1) }),
      makeNode('TopK', ['x', 'rows'], ['y', 'places'], { axis: int(0) }),
    ],
    ...io(),
  },
  'batch normalisation in training mode': {
    nodes: [
      makeNode('BatchNormalization', ['x', 'scale', 'bias', 'mean', 'variance'], ['y', 'm', 'v'], {
        training_mode: int(1),
        epsilon: float(1e-3),
      }),
    ],
    initializers: [
      vector('scale', 1, 2, 3),
      vector('bias', 0, 1, 0),
      vector('mean', 0, 0, 1),
      vector('variance', 1, 1, 4),
    ],
    ...io(),
  },
};

async function probeOf(test: TestContext, draft: ModelDraft): Promise<ProbeReport> {
  const { probe } = await startHarness(test);
  return probe(modelBytes(draft));
}

function reasonOf({ batch }: ProbeReport): string {
  assert.equal(batch.safe, false);
  return batch.safe ? '' : batch.reason;
}

describe('the batch check on real sessions', () => {
  for (const [name, draft] of Object.entries(rowWise)) {
    it(`trusts ${name}`, async (test) => {
      assert.deepEqual((await probeOf(test, draft)).batch, { safe: true });
    });
  }

  for (const [name, draft] of Object.entries(mixing)) {
    it(`distrusts ${name}`, async (test) => {
      assert.match(reasonOf(await probeOf(test, draft)), /depends on the rows beside it|refuses|not joined/);
    });
  }

  it('distrusts a transposed output, a total, and a constant', async (test) => {
    const transposed = { nodes: [makeNode('Transpose', ['x'], ['y'])], ...io([3, 'batch']) };
    assert.match(reasonOf(await probeOf(test, transposed)), /Output y has a fixed first dimension/);
    const total = { nodes: [makeNode('ReduceMax', ['x'], ['y'], { keepdims: int(0) })], ...io([]) };
    assert.match(reasonOf(await probeOf(test, total)), /Output y is a single value/);
    const constant = { nodes: [makeNode('Sub', ['x', 'x'], ['y'])], ...io() };
    assert.match(reasonOf(await probeOf(test, constant)), /same answer for all trial rows/);
  });

  it('distrusts an output whose length only happens to be variable', async (test) => {
    const draft = { nodes: [makeNode('NonZero', ['x'], ['n']), makeNode('Transpose', ['n'], ['y'])] };
    const report = await probeOf(test, {
      ...draft,
      inputs: [makeValueInfo('x', 'float32', ['batch', 3])],
      outputs: [makeValueInfo('y', 'int64', ['found', 2])],
    });
    assert.match(reasonOf(report), /Output y has 3 rows for one row/);
  });
});

describe('what a probe learns', () => {
  it('finds a size for free dimensions that the model accepts', async (test) => {
    const report = await probeOf(test, {
      nodes: [makeNode('MatMul', ['x', 'w'], ['y'])],
      inputs: [makeValueInfo('x', 'float32', ['batch', 'width'])],
      outputs: [makeValueInfo('y', 'float32', ['batch', 1])],
      initializers: [makeTensor('w', 'float32', [784, 1], new Float32Array(784).fill(0.1))],
    });
    assert.deepEqual(report.trialShapes, [[1, 784]]);
    assert.deepEqual(report.batch, { safe: true });
    assert.ok(report.singleRunMs! > 0);
    assert.ok(report.memoryBytes > 0);
    assert.deepEqual(report.signature.inputs, [{ name: 'x', datatype: 'float32', shape: [-1, -1] }]);
    assert.equal(report.executionProvider, 'cpu');
  });

  it('reports a model that refuses every trial input, unbatched, with the runtime’s words', async (test) => {
    const report = await probeOf(test, {
      nodes: [makeNode('MatMul', ['x', 'w'], ['y'])],
      inputs: [makeValueInfo('x', 'float32', ['batch', 'width'])],
      outputs: [makeValueInfo('y', 'float32', ['batch', 1])],
      initializers: [makeTensor('w', 'float32', [31, 1], new Float32Array(31))],
    });
    assert.equal(report.singleRunMs, undefined);
    assert.equal(report.trialShapes, undefined);
    assert.match(reasonOf(report), /no trial input ran/);
    assert.match(report.notes.join(), /No trial input ran\. The model refused its input: .*MatMul/);
  });

  it('keeps a report by content and does not start a child for it again', async (test) => {
    const cache = await startHarness(test);
    const { probe } = await startHarness(test, { cacheDir: cache.folder });
    const bytes = modelBytes(rowWise['a mean of each row']!);
    const first = await probe(bytes, { digest: 'same' });
    assert.equal((await readdir(join(cache.folder, 'probes'))).length, 1);
    // The second file would be refused if anybody looked into it.
    const second = await probe(new Uint8Array(), { digest: 'same' });
    assert.deepEqual(second, first);
  });
});

describe('models that take the probe process along', () => {
  /** Node loads this into the child first and thereby stands for native code that misbehaves. */
  async function withPreload(test: TestContext, script: string, run: () => Promise<unknown>): Promise<void> {
    const { folder } = await startHarness(test);
    const file = join(folder, 'preload.cjs');
    await writeFile(file, script);
    const before = process.env.NODE_OPTIONS;
    process.env.NODE_OPTIONS = `--require ${file}`;
    try {
      await run();
    } finally {
      if (before === undefined) delete process.env.NODE_OPTIONS;
      else process.env.NODE_OPTIONS = before;
    }
  }

  const deaths: [string, string, RegExp][] = [
    [
      'a segmentation fault',
      "process.kill(process.pid, 'SIGSEGV')",
      /killed the probe process \(signal SIGSEGV\) while loading/,
    ],
    ['a call of exit()', 'process.exit(3)', /killed the probe process \(exit code 3\)/],
    ['a hang', 'for (;;);', /did not end within 700 ms, while loading/],
  ];
  for (const [name, script, reason] of deaths) {
    it(`turns ${name} into MODEL_FAILED`, async (test) => {
      const { probe } = await startHarness(test, { probeTimeoutMs: 700 });
      await withPreload(test, script, () =>
        assert.rejects(probe(modelBytes(rowWise['a mean of each row']!)), (error: HotpathError) => {
          assert.equal(error.code, 'MODEL_FAILED');
          assert.match(error.message, reason);
          return true;
        }),
      );
    });
  }
});

describe('the batch check on third-party models', { skip: withoutFixtures }, () => {
  const expected: [string, RegExp | 'safe'][] = [
    ['tabular/sklearn_docs_2022/rf_iris.onnx', 'safe'],
    ['tabular/sklearn_docs_2022/pipeline_titanic_nozipmap.onnx', 'safe'],
    ['tabular/sklearn_docs_2022/pipeline_titanic_numerical.onnx', 'safe'],
    ['text/magika_begonly_v2_1/model.onnx', 'safe'],
    ['text/ort_toys/bert_toy_optimized.onnx', 'safe'],
    ['triton/model_repository/simple_string/1/model.onnx', 'safe'],
    ['audio/silero_v6/silero_vad.onnx', /Input state has a fixed first dimension: \[2, \?, 128\]/],
    ['classify/mnist/mnist.onnx', /fixed first dimension/],
    ['odd/vespa/dynamic.onnx', /Input attribute_tensor has a fixed first dimension/],
    ['text/vespa_llm/random_decoder.onnx', /not joined/],
    ['tabular/sklearn_docs_2022/example1.onnx', /Output Y has a fixed first dimension/],
  ];
  for (const [path, verdict] of expected) {
    it(`${verdict === 'safe' ? 'trusts' : 'distrusts'} ${path}`, async (test) => {
      const { probe } = await startHarness(test);
      const report = await probe(fixture(path));
      assert.ok(report.trialShapes !== undefined, report.notes.join());
      if (verdict === 'safe') assert.deepEqual(report.batch, { safe: true });
      else assert.match(reasonOf(report), verdict);
    });
  }
});
