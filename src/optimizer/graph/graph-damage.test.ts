import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HotpathError } from '../../core/errors.ts';
import { encodeModel } from '../../onnx-file/encode.ts';
import { concatBytes, wrapFields, writeFields, writeHeader } from '../../onnx-file/fields.ts';
import { float, ints, makeModel, makeNode, makeTensor, makeValueInfo, strings, tensor } from '../../onnx-file/model.ts';
import { fields } from '../../onnx-file/schema.ts';
import { noExternalFiles } from './external-files.ts';
import { Graph } from './graph.ts';
import { inspectModel } from './inspect/inspect-model.ts';
import { graphFromBytes } from './load.ts';
import { bytesOf, float32Tensor, graphOf, linearGraph } from './testing/small-models.ts';

const relu = makeNode('Relu', ['x'], ['y'], {}, { name: 'r' });

describe('a damaged graph is refused with the name of the node', () => {
  const refuse = (
    nodes: Parameters<typeof graphOf>[0],
    message: string | RegExp,
    ...rest: [Parameters<typeof graphOf>[1]?, Parameters<typeof graphOf>[2]?]
  ) => assert.throws(() => graphOf(nodes, ...rest), { code: 'INVALID_INPUT', message });

  it('for values that nothing makes', () => {
    refuse(
      [makeNode('Add', ['x', 'z'], ['y'], {}, { name: 'sum' })],
      'The input "z" of node "sum" (Add) is made by nothing.',
    );
    refuse(
      [makeNode('Relu', ['z'], ['y'], {}, { name: '' })],
      'The input "z" of the Relu node that makes "y" is made by nothing.',
    );
    refuse([relu], 'The graph\'s output "q" is made by nothing.', [], { output: 'q' });
  });

  it('for values made twice', () => {
    refuse(
      [relu, makeNode('Neg', ['x'], ['y'], {}, { name: 'n' })],
      /"y" is made twice: by node "n" \(Neg\) and as an output of node "r" \(Relu\)/,
    );
    refuse([relu, makeNode('Neg', ['x'], ['w'])], /"w" is made twice: by node "w" \(Neg\) and as an initializer/, [
      float32Tensor('w', [1], 1),
    ]);
    refuse([makeNode('Neg', ['y'], ['x']), relu], /"x" is made twice.*an input of the graph/);
    refuse([relu], 'Two initializers are called "w".', [float32Tensor('w', [1], 1), float32Tensor('w', [1], 2)]);
  });

  it('for cycles, naming a node that is part of one', () => {
    const nodes = [
      makeNode('Relu', ['b'], ['y'], {}, { name: 'behind' }),
      makeNode('Add', ['x', 'b'], ['a'], {}, { name: 'one' }),
      makeNode('Neg', ['a'], ['b'], {}, { name: 'two' }),
    ];
    refuse(nodes, /^The graph has a cycle through node "(one|two)"/);
    refuse([makeNode('Add', ['x', 'y'], ['y'], {}, { name: 'self' })], /cycle through node "self"/);
  });

  it('for a missing opset', () => {
    const value = makeValueInfo('x', 'float32', [1]);
    const model = makeModel({
      opsets: [],
      graph: { name: '', nodes: [], initializers: [], inputs: [value], outputs: [value] },
    });
    assert.throws(() => graphFromBytes(encodeModel(model)), /imports no opset/);
  });

  it('but a chain of twenty thousand nodes is not', () => {
    const nodes = Array.from({ length: 20_000 }, (_, i) =>
      makeNode('Neg', [i === 0 ? 'x' : `v${i}`], [i === 19_999 ? 'y' : `v${i + 1}`]),
    );
    const graph = graphOf(nodes);
    assert.ok(graph.isTopological());
    assert.equal(graph.removeUnused().nodes, 0);
  });
});

/** Field `number` with this inside. */
const wrap = (number: number, content: Uint8Array) => concatBytes([writeHeader(number, content.length), content]);
const modelOf = (graph: Uint8Array) =>
  concatBytes([
    ...writeFields((w) => w.message(fields.model.opsetImport, (o) => o.int(2, 17))).map(({ bytes }) => bytes),
    wrap(fields.model.graph, graph),
  ]);

describe('a hostile file is refused quickly', () => {
  it('when graphs are nested without end', () => {
    let body: Uint8Array = new Uint8Array();
    for (let depth = 0; depth < 5000; depth++) {
      body = wrap(fields.graph.node, wrap(fields.node.attribute, wrap(fields.attribute.graph, body)));
    }
    assert.throws(() => graphFromBytes(modelOf(body)), {
      code: 'INVALID_INPUT',
      message: 'The model nests graphs more than 32 deep.',
    });
  });

  it('when dimensions promise more than there is', () => {
    for (const dims of [[2 ** 40], [2 ** 31, 2 ** 31, 2 ** 31], [-1], [1, -5], [0, 2 ** 60]]) {
      const message = writeFields((w) => {
        w.packedInts(fields.tensor.dims, dims.map(BigInt));
        w.int(fields.tensor.dataType, 1);
        w.string(fields.tensor.name, 'huge');
        w.packedFloats(fields.tensor.floatData, [1, 2]);
      });
      const graph = concatBytes(wrapFields(fields.graph.initializer, message));
      assert.throws(() => graphFromBytes(modelOf(graph)), { code: 'INVALID_INPUT', message: /"huge"/ }, String(dims));
    }
  });

  it('when a message has millions of empty fields', () => {
    const empty = new Uint8Array(6_000_000);
    for (let i = 0; i < empty.length; i += 2) empty[i] = fields.graph.node * 8 + 2;
    assert.throws(() => graphFromBytes(modelOf(empty)), { code: 'INVALID_INPUT', message: /over 1000000 fields/ });
  });
});

/** Every kind of thing that a file may have. */
function richModel(): Uint8Array {
  const body = bytesOf([makeNode('Add', ['inside', 'h'], ['out'])], [], 'out');
  const graph = graphFromBytes(
    bytesOf(
      [
        makeNode('MatMul', ['x', 'w'], ['h']),
        makeNode('Constant', [], ['c'], { value: tensor(makeTensor('', 'int64', [2], new BigInt64Array([1n, -1n]))) }),
        makeNode(
          'Thing',
          ['h', 'c', ''],
          ['y', ''],
          { scales: ints([1, -2]), alpha: float(0.5), words: strings(['a', 'b']) },
          { domain: 'own' },
        ),
      ],
      [float32Tensor('w', [2, 2], 1, 2, 3, 4), makeTensor('four', 'uint4', [3], Uint8Array.of(0x21, 3))],
    ),
  );
  graph.addInitializer({ name: 'texts', datatype: 'string', dims: [2], strings: ['ä', ''] });
  graph.setValueInfo(makeValueInfo('h', 'float32', ['batch', 2]));
  graph.head.setMetadata('key', 'value');
  return concatBytes([graph.toBytes(), wrap(fields.model.functions, body), wrap(1234, Uint8Array.of(1, 2, 3))]);
}

describe('any damage of a file', () => {
  const good = richModel();

  it('is read as it stands or refused with INVALID_INPUT, when looked at too', () => {
    const damage = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(damage, fc.option(fc.nat(good.length)), (changes, cut) => {
        const bytes = good.slice(0, cut ?? good.length);
        for (const [offset, byte] of changes) if (offset < bytes.length) bytes[offset] = byte;
        refuseOr(() => {
          const graph = graphFromBytes(bytes, { check: false });
          assert.deepEqual(graph.toBytes(), bytes);
          assert.deepEqual(graph.clone().toBytes(), bytes);
          graph.problems();
          for (const constant of graph.initializers) refuseOr(() => constant.data());
          for (const node of graph.nodes)
            for (const name of node.attributeNames)
              refuseOr(() => [node.ints(name), node.floats(name), node.texts(name), node.tensor(name)]);
        });
        refuseOr(() => inspectModel(new Graph(bytes, noExternalFiles, () => undefined)));
      }),
      { numRuns: 1500 },
    );
  });
});

function refuseOr(act: () => unknown): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof HotpathError && error.code === 'INVALID_INPUT')) throw error;
  }
}

describe('random edits', () => {
  const edit = fc.tuple(
    fc.constantFrom('bypass', 'insert', 'split', 'rename', 'remove', 'constant', 'rewire', 'clone'),
    fc.nat(1000),
    fc.nat(1000),
  );

  it('leave a sound graph whose index agrees with its bytes', () => {
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 25 }), (edits) => {
        let graph = linearGraph();
        for (const [kind, a, b] of edits) graph = applyEdit(graph, kind, a, b);
        graph.sortTopologically();
        const again = graphFromBytes(graph.toBytes());
        const values = (g: Graph) => g.nodes.flatMap(({ inputs, outputs }) => [...inputs, ...outputs]);
        assert.deepEqual(values(again), values(graph));
        for (const value of new Set(values(graph))) {
          const uses = (g: Graph) =>
            g
              .consumersOf(value)
              .map(({ node, index }) => `${node.outputs[0]} ${index}`)
              .sort();
          assert.deepEqual(uses(graph), uses(again));
          assert.equal(graph.producerOf(value)?.outputs[0], again.producerOf(value)?.outputs[0]);
          assert.equal(graph.isInitializer(value), again.isInitializer(value));
        }
        assert.deepEqual(again.toBytes(), graph.toBytes());
        again.removeUnused();
        again.check();
        assert.deepEqual(again.removeUnused(), { nodes: 0, initializers: 0 });
      }),
      { numRuns: 300 },
    );
  });
});

function applyEdit(graph: Graph, kind: string, a: number, b: number): Graph {
  const node = graph.nodes[a % Math.max(1, graph.nodes.length)];
  if (kind === 'clone') return graph.clone();
  if (kind === 'constant') {
    graph.addInitializer(float32Tensor(graph.freshName('c'), [2], a, b));
    return graph;
  }
  if (node === undefined) return graph;
  const input = b % node.inputs.length;
  if (kind === 'bypass') graph.bypass(node);
  else if (kind === 'insert') {
    const made = graph.insertBefore(node, makeNode('Neg', [node.inputs[input]!], [graph.freshName('n')]));
    graph.replaceInput(node, input, made.outputs[0]!);
  } else if (kind === 'split') {
    const [old] = node.outputs;
    graph.insertAfter(node, makeNode('Abs', [graph.splitOutput(node, 0)], [old!]));
  } else if (kind === 'rename') graph.rename(node.inputs[input]!, graph.freshName('renamed'));
  else if (kind === 'rewire') graph.replaceInput(node, input, graph.inputs[0]!.name);
  else refuseOr(() => graph.remove(node));
  return graph;
}
