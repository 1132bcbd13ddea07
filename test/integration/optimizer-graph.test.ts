import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Tensor } from '../../src/core/tensor.ts';
import { openSession } from '../../src/engines/onnx/session.ts';
import { difference } from '../../src/engines/onnx/tensor-compare.ts';
import { int, makeNode } from '../../src/onnx-file/model.ts';
import type { Graph } from '../../src/optimizer/graph/graph.ts';
import { graphFromBytes, loadModel } from '../../src/optimizer/graph/load.ts';
import { saveModel } from '../../src/optimizer/graph/save.ts';
import { linearGraph } from '../../src/optimizer/graph/testing/small-models.ts';
import { fixture, withoutFixtures } from './support/engine-harness.ts';
import { readTensorProto } from './support/onnx-pb.ts';

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotpath-graph-'));
});
after(() => rmSync(folder, { recursive: true }));

function modelsIn(root: string): string[] {
  const paths = readdirSync(root, { recursive: true, encoding: 'utf8' });
  return paths
    .filter((path) => path.endsWith('.onnx'))
    .map((path) => join(root, path))
    .sort();
}

/** Writes every node, constant and name anew; the model must still mean the same. */
function touchEverything(graph: Graph): void {
  for (const constant of graph.initializers) {
    const { name, datatype, dims } = constant;
    if (datatype === 'string') graph.setInitializer({ name, datatype, dims, strings: constant.strings() });
    else graph.setInitializer({ name, datatype, dims, raw: constant.raw().slice() });
    graph.rename(name, graph.freshName(`${name}_touched`));
  }
  for (const node of graph.nodes) {
    for (const output of node.outputs) {
      if (output !== '' && !graph.isGraphOutput(output)) graph.rename(output, graph.freshName(`${output}_touched`));
    }
    node.setAttribute('touched', int(1));
    node.removeAttribute('touched');
  }
}

/** The answers to the inputs of the operator test, or why there are none. */
async function answersOf(path: string, data: string): Promise<readonly Tensor[] | string> {
  try {
    const spec = { path, executionProviders: ['cpu'], fallbackToCpu: false, intraOpThreads: 1 } as const;
    const session = await openSession(spec);
    const inputs = session.signature.inputs.map((_, index) =>
      readTensorProto(readFileSync(join(data, `input_${index}.pb`))),
    );
    const answers = await session.run(inputs as Tensor[]);
    await session.release();
    return answers;
  } catch (error) {
    return (error as Error).message.slice(0, 40);
  }
}

describe('the graph of the optimizer, on foreign models', { skip: withoutFixtures }, () => {
  it('gives back every fixture model byte for byte', () => {
    const paths = modelsIn(fixture('.'));
    assert.ok(paths.length > 80, `only ${paths.length} models`);
    for (const path of paths) {
      assert.ok(Buffer.from(loadModel(path, { check: false }).toBytes()).equals(readFileSync(path)), path);
    }
  });

  it('gives back every operator test byte for byte, and written anew it answers the same', async (test) => {
    execFileSync('tar', ['xzf', fixture('sets/onnx_backend_dev.tar.gz'), '-C', folder]);
    const tally = { same: 0, refused: 0 };
    const wrong: string[] = [];
    for (const path of modelsIn(folder)) {
      const bytes = readFileSync(path);
      const graph = loadModel(path);
      assert.ok(Buffer.from(graph.toBytes()).equals(bytes), path);
      const data = join(path, '../test_data_set_0');
      if (!existsSync(data) || path.includes('dropout')) continue;
      touchEverything(graph);
      saveModel(graph, join(folder, 'touched.onnx'));
      const [before, now] = [await answersOf(path, data), await answersOf(join(folder, 'touched.onnx'), data)];
      if (typeof before === 'string' || typeof now === 'string') {
        if (typeof before !== typeof now) wrong.push(`${path}: ${before} / ${now}`);
        tally.refused++;
      } else {
        tally.same++;
        for (const [index, answer] of before.entries()) {
          if (difference(now[index]!, answer) !== 0) wrong.push(path);
        }
      }
    }
    test.diagnostic(JSON.stringify(tally));
    assert.deepEqual(wrong, []);
    assert.ok(tally.same >= 350, `only ${tally.same} compared`);
  });
});

describe('a model of 300 MB', () => {
  const tensorBytes = 75e6;

  /** Four tensors of 75 MB, made while they are written. */
  function bigGraph(): Graph {
    const graph = graphFromBytes(linearGraph().toBytes());
    let last = graph.splitOutput(graph.nodes.at(-1)!, 0);
    for (let index = 0; index < 4; index++) {
      const read = (): Uint8Array => new Uint8Array(tensorBytes).fill(index + 1);
      graph.addInitializer({ name: `w${index}`, datatype: 'float32', dims: [tensorBytes / 4], read });
      const size = graph.freshName('size');
      graph.append(makeNode('Size', [`w${index}`], [size]));
      const asFloat = graph.append(makeNode('Cast', [size], [graph.freshName('cast')], { to: int(1) }));
      const sum = index === 3 ? 'y' : graph.freshName('sum');
      graph.append(makeNode('Add', [last, asFloat.outputs[0]!], [sum]));
      last = sum;
    }
    return graph;
  }

  for (const external of [true, false]) {
    it(`is edited ${external ? 'without being held in memory, its data in a second file' : 'in at most three times its size, in one file'}`, () => {
      const place = mkdtempSync(join(folder, 'big-'));
      saveModel(bigGraph(), join(place, 'a.onnx'), external ? {} : { external });
      assert.equal(statSync(join(place, 'a.onnx')).size > 300e6, !external);
      const child = new URL('./support/big-model-child.ts', import.meta.url).pathname;
      const report = JSON.parse(
        execFileSync(process.execPath, [child, join(place, 'a.onnx'), join(place, 'b.onnx')], { encoding: 'utf8' }),
      );
      assert.ok(report.peakBytes < (external ? 300e6 : 900e6), `${report.peakBytes} bytes`);
      const again = loadModel(join(place, 'b.onnx'));
      assert.equal(again.producerOf('h')?.opType, 'Neg');
      for (const [index, name] of ['renamed', 'w1', 'w2', 'w3'].entries()) {
        assert.ok(
          again
            .initializer(name)!
            .raw()
            .every((byte) => byte === index + 1),
          name,
        );
      }
      rmSync(place, { recursive: true });
    });
  }
});
