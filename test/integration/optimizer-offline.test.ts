import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { buildMlp512 } from '../../bench/models.ts';
import { optimizeOffline } from '../../src/engines/onnx/offline-optimize.ts';
import { float, makeNode, makeTensor } from '../../src/onnx-file/model.ts';
import { graphFromBytes, loadModel } from '../../src/optimizer/graph/load.ts';
import { dynamicInt8 } from '../../src/optimizer/passes/dynamic-int8.ts';
import { makeOfflinePass, offlineLevelKey, offlineProcessorKey } from '../../src/optimizer/passes/offline.ts';
import { fixture, withoutFixtures } from './support/engine-harness.ts';
import { compareRows, linearModel, weights } from './support/linear-models.ts';
import { normalDataset, passContext } from './support/optimizer-runner.ts';

const context = passContext(undefined);
const offline = makeOfflinePass(optimizeOffline, () => 'x64 test avx2');
const silero = fixture('audio/silero_v6/silero_vad.onnx');

const normed = linearModel({
  nodes: [
    makeNode('Conv', ['x', 'w'], ['a']),
    makeNode('BatchNormalization', ['a', 'scale', 'shift', 'mean', 'variance'], ['b'], { epsilon: float(1e-3) }),
    makeNode('Relu', ['b'], ['c']),
    makeNode('Add', ['one', 'one'], ['two']),
    makeNode('Mul', ['c', 'two'], ['d']),
    makeNode('Identity', ['d'], ['y']),
  ],
  initializers: [
    weights('w', [4, 3, 3, 3]),
    makeTensor('one', 'float32', [1], Float32Array.of(1)),
    ...['scale', 'shift', 'mean', 'variance'].map((name) =>
      makeTensor(name, 'float32', [4], Float32Array.of(0.5, 1, 1.5, 2)),
    ),
  ],
  dims: ['batch', 3, 8, 8],
  outputs: ['y'],
});

describe('offline graph optimization', () => {
  it('folds batch norms and constants in place, at level basic with standard operators only', async () => {
    const graph = graphFromBytes(normed);
    const report = await offline(graph, { level: 'basic' }, context);
    assert.deepEqual(
      graph.nodes.map(({ opType }) => opType),
      ['Conv', 'Relu', 'Mul'],
    );
    assert.deepEqual(graph.head.opsets, [{ domain: '', version: 13 }]);
    assert.equal(graph.head.metadata.get(offlineLevelKey), 'basic');
    assert.equal(report.machineSpecific, false);
    assert.deepEqual(
      report.changed.map(({ node, what }) => [node, what]),
      [
        ['BatchNormalization', '1 before, 0 now'],
        ['Add', '1 before, 0 now'],
        ['Identity', '1 before, 0 now'],
      ],
    );
    assert.ok((await compareRows(normed, graph.check().toBytes(), normalDataset('x', 2, [3, 8, 8]), 'y')) > 110);
    assert.deepEqual(
      graph.inputs.map(({ name }) => name),
      ['x'],
    );
  });

  it('marks what only this processor runs with its name', async () => {
    for (const [level, tied] of [
      ['extended', false],
      ['all', true],
    ] as const) {
      const graph = graphFromBytes(normed);
      const report = await offline(graph, { level }, context);
      assert.equal(report.machineSpecific, tied);
      assert.equal(graph.head.metadata.get(offlineProcessorKey), tied ? 'x64 test avx2' : undefined);
      const domains = new Set(graph.nodes.map(({ domain }) => domain));
      for (const { domain } of graph.head.opsets) assert.ok(domain === '' || domains.has(domain), domain);
      assert.ok((await compareRows(normed, graph.check().toBytes(), normalDataset('x', 2, [3, 8, 8]), 'y')) > 110);
    }
  });

  it('is a start for other passes', async () => {
    const graph = graphFromBytes(buildMlp512());
    await offline(graph, { level: 'basic' }, context);
    const report = await dynamicInt8(graph, {}, context);
    assert.equal(report.changed.length, 4);
    assert.ok(
      (await compareRows(buildMlp512(), graph.check().toBytes(), normalDataset('features', 8, [512]), 'logits')) > 34,
    );
  });

  it('changes nothing where the runtime refuses the model', async () => {
    const model = linearModel({
      nodes: [makeNode('Mystery', ['x'], ['y'])],
      initializers: [],
      dims: ['batch', 2],
      outputs: ['y'],
    });
    const graph = graphFromBytes(model);
    await assert.rejects(offline(graph, {}, context), { code: 'MODEL_FAILED', message: /Mystery/ });
    assert.deepEqual(graph.toBytes(), model);
  });

  it('leaves models with bodies as they are', {
    skip: withoutFixtures,
  }, async () => {
    const graph = loadModel(silero);
    const before = graph.toBytes();
    const report = await offline(graph, { level: 'basic' }, context);
    assert.match(report.notes.join(), /bodies of If, Loop or Scan/);
    assert.deepEqual([report.changed, graph.toBytes()], [[], before]);
  });
});
