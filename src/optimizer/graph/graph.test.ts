import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { int, makeNode, makeTensor, makeValueInfo } from '../../onnx-file/model.ts';
import type { Graph } from './graph.ts';
import { graphFromBytes } from './load.ts';
import { float32Tensor, graphOf, linearGraph } from './testing/small-models.ts';

/** The graph as text, after it went through bytes. */
function wiring(graph: Graph): string[] {
  const again = graphFromBytes(graph.toBytes());
  assert.deepEqual(describeNodes(graph), describeNodes(again));
  return describeNodes(again);
}

function describeNodes(graph: Graph): string[] {
  return graph.nodes.map(({ opType, inputs, outputs }) => `${opType}(${inputs}) ${outputs}`);
}

const byType = (graph: Graph, opType: string) => graph.nodes.find((node) => node.opType === opType)!;

describe('a graph answers', () => {
  const graph = linearGraph();

  it('who makes and who takes a value', () => {
    assert.equal(graph.producerOf('h')?.opType, 'MatMul');
    assert.equal(graph.producerOf('x'), undefined);
    assert.deepEqual(
      graph.consumersOf('b').map(({ node, index }) => [node.opType, index]),
      [['Add', 1]],
    );
    assert.deepEqual(graph.consumersOf('y'), []);
    assert.ok(graph.isGraphOutput('y') && graph.isGraphInput('x') && graph.isInitializer('w'));
  });

  it('a use twice by one node as two uses', () => {
    const square = graphOf([makeNode('Mul', ['x', 'x'], ['y'])]);
    assert.deepEqual(
      square.consumersOf('x').map(({ index }) => index),
      [0, 1],
    );
  });

  it('what is constant, and its values', () => {
    assert.deepEqual([...graph.floats('w')], [1, 2, 3, 4]);
    assert.equal(graph.constantOf('h'), undefined);
    assert.throws(() => graph.floats('h'), { code: 'INVALID_INPUT', message: 'The value "h" is no constant.' });
    assert.deepEqual(graph.typeOf('x'), { kind: 'tensor', datatype: 'float32', dims: ['batch', 2] });
  });

  it('with names that are free', () => {
    const names = ['h', 'h', 'new', 'y', 'w'].map((prefix) => graph.freshName(prefix));
    assert.deepEqual(names, ['h_1', 'h_2', 'new', 'y_1', 'w_1']);
  });
});

describe('an edit of a graph', () => {
  it('puts nodes before one', () => {
    const graph = linearGraph();
    const add = byType(graph, 'Add');
    graph.insertBefore(add, makeNode('Neg', ['h'], ['n']));
    graph.replaceInput(add, 0, 'n');
    assert.deepEqual(wiring(graph), ['MatMul(x,w) h', 'Neg(h) n', 'Add(n,b) s', 'Relu(s) y']);
  });

  it('puts a node behind the one that makes the output of the graph', () => {
    const graph = linearGraph();
    const relu = byType(graph, 'Relu');
    const inner = graph.splitOutput(relu, 0);
    graph.insertAfter(relu, makeNode('Neg', [inner], ['y']));
    assert.deepEqual(wiring(graph), ['MatMul(x,w) h', 'Add(h,b) s', 'Relu(s) y_inner', 'Neg(y_inner) y']);
  });

  it('replaces one node by several', () => {
    const graph = linearGraph();
    graph.replaceNode(byType(graph, 'Add'), [makeNode('Neg', ['h'], ['n']), makeNode('Sub', ['b', 'n'], ['s'])]);
    assert.deepEqual(wiring(graph), ['MatMul(x,w) h', 'Neg(h) n', 'Sub(b,n) s', 'Relu(s) y']);
    assert.deepEqual(
      graph.consumersOf('h').map(({ node }) => node.opType),
      ['Neg'],
    );
  });

  it('refuses to take away what is still used', () => {
    const graph = linearGraph();
    const add = byType(graph, 'Add');
    assert.throws(() => graph.remove(add), { code: 'INVALID_INPUT', message: /"s" is still used/ });
    assert.throws(() => graph.replaceNode(add, [makeNode('Neg', ['h'], ['n'])]), /Nothing would make "s"/);
    assert.throws(() => graph.removeInitializer('w'), /still used/);
    assert.throws(() => graph.insertBefore(add, makeNode('Neg', ['h'], ['s'])), /already has a value "s"/);
    assert.throws(() => graph.addInitializer(float32Tensor('h', [1], 1)), /already has a value "h"/);
    assert.deepEqual(wiring(graph), ['MatMul(x,w) h', 'Add(h,b) s', 'Relu(s) y']);
  });

  it('bypasses nodes in the middle and at the end', () => {
    const graph = linearGraph();
    assert.ok(graph.bypass(byType(graph, 'Relu')));
    assert.deepEqual(wiring(graph), ['MatMul(x,w) h', 'Add(h,b) y']);
    assert.ok(graph.bypass(byType(graph, 'Add')));
    assert.deepEqual(wiring(graph), ['MatMul(x,w) y']);
    const identity = graphOf([makeNode('Identity', ['x'], ['y'])]);
    assert.equal(identity.bypass(byType(identity, 'Identity')), false);
    assert.deepEqual(wiring(identity), ['Identity(x) y']);
  });

  it('removes what no output needs', () => {
    const graph = linearGraph();
    graph.replaceInput(byType(graph, 'Relu'), 0, 'x');
    assert.deepEqual(graph.removeUnused(), { nodes: 2, initializers: 2 });
    assert.deepEqual(wiring(graph), ['Relu(x) y']);
    assert.deepEqual(graph.initializers, []);
  });

  it('renames a value everywhere', () => {
    const graph = linearGraph();
    graph.rename('w', 'weights');
    graph.rename('s', 'sum');
    graph.rename('y', 'result');
    graph.rename('x', 'given');
    assert.deepEqual(wiring(graph), ['MatMul(given,weights) h', 'Add(h,b) sum', 'Relu(sum) result']);
    assert.deepEqual([...graph.floats('weights')], [1, 2, 3, 4]);
    assert.deepEqual([graph.inputs[0]?.name, graph.outputs[0]?.name], ['given', 'result']);
    assert.throws(() => graph.rename('sum', 'h'), /already has a value "h"/);
  });

  it('replaces uses by nodes, except some', () => {
    const graph = graphOf([
      makeNode('Neg', ['x'], ['n']),
      makeNode('Mul', ['x', 'x'], ['m']),
      makeNode('Add', ['m', 'n'], ['y']),
    ]);
    graph.replaceUses('x', 'n', { except: [byType(graph, 'Neg')] });
    assert.deepEqual(wiring(graph), ['Neg(x) n', 'Mul(n,n) m', 'Add(m,n) y']);
  });

  it('changes constants, types and the signature', () => {
    const graph = linearGraph();
    graph.setInitializer(makeTensor('w', 'int4', [2, 2], Uint8Array.of(0x21, 0xf3)));
    graph.setGraphInput(makeValueInfo('x', 'float16', ['n', 2]));
    graph.setGraphOutput(makeValueInfo('h', 'bfloat16', ['n', 2]));
    graph.setValueInfo(makeValueInfo('s', 'float32', ['n', 2]));
    const again = graphFromBytes(graph.toBytes());
    assert.deepEqual([...again.floats('w')], [1, 2, 3, -1]);
    assert.deepEqual(
      again.inputs.map(({ name, type }) => [name, type.datatype]),
      [['x', 'float16']],
    );
    assert.deepEqual(
      again.outputs.map(({ name, type }) => [name, type.datatype]),
      [
        ['y', 'float32'],
        ['h', 'bfloat16'],
      ],
    );
    assert.deepEqual(again.typeOf('s')?.dims, ['n', 2]);
    // The order of the file stays: the weight where it was.
    assert.deepEqual(
      again.initializers.map(({ name }) => name),
      ['w', 'b'],
    );
  });

  it('sets attributes, opsets and metadata, and leaves the rest', () => {
    const graph = graphOf([makeNode('Softmax', ['x'], ['y'], { axis: int(1), other: int(7) })]);
    graph.nodes[0]!.setAttribute('axis', int(-1));
    graph.nodes[0]!.removeAttribute('other');
    graph.head.setOpset('com.microsoft', 1);
    graph.head.setMetadata('made', 'here');
    graph.head.setMetadata('made', 'there');
    const again = graphFromBytes(graph.toBytes());
    assert.equal(again.nodes[0]!.int('axis'), -1);
    assert.deepEqual(again.nodes[0]!.attributeNames, ['axis']);
    assert.deepEqual(again.head.opsets, [
      { domain: '', version: 17 },
      { domain: 'com.microsoft', version: 1 },
    ]);
    assert.deepEqual([...again.head.metadata], [['made', 'there']]);
  });

  it('does not reach a clone', () => {
    const graph = linearGraph();
    const before = graph.toBytes();
    const clone = graph.clone();
    clone.bypass(byType(clone, 'Relu'));
    clone.setInitializer(float32Tensor('w', [2, 2], 0, 0, 0, 0));
    byType(clone, 'Add').setAttribute('axis', int(1));
    assert.deepEqual(graph.toBytes(), before);
    assert.deepEqual(wiring(clone.clone()), ['MatMul(x,w) h', 'Add(h,b) y']);
  });

  it('that is taken back leaves the file as it was', () => {
    const graph = linearGraph();
    const before = graph.toBytes();
    const w = graph.initializer('w')!;
    graph.setInitializer(float32Tensor('w', [2, 2], 0, 0, 0, 0));
    graph.setInitializer(float32Tensor('w', [2, 2], 1, 1, 1, 1));
    assert.notDeepEqual(graph.toBytes(), before);
    graph.setInitializer(w);
    for (const name of ['h', 'w', 'x', 'y']) {
      graph.rename(name, 'other');
      graph.rename('other', name);
    }
    const added = graph.append(makeNode('Neg', ['x'], ['n']));
    graph.remove(added);
    assert.deepEqual(graph.toBytes(), before);
  });

  it('with a node of another graph is a mistake that is told', () => {
    const graph = linearGraph();
    const foreign = byType(graph.clone(), 'Add');
    const before = graph.toBytes();
    const message = 'The graph does not have node "s" (Add): it was removed, or is of a copy.';
    assert.throws(() => graph.replaceInput(foreign, 0, 'x'), { message });
    assert.throws(() => graph.insertAfter(foreign, makeNode('Neg', ['x'], ['n'])), { message });
    assert.throws(() => graph.insertBefore(foreign, makeNode('Neg', ['x'], ['n'])), { message });
    assert.throws(() => graph.replaceNode(foreign, [makeNode('Neg', ['x'], ['s'])]), { message });
    assert.deepEqual(graph.toBytes(), before);
    assert.deepEqual(foreign.inputs, ['h', 'b']);
  });

  it('sorts nodes that stand before what they take', () => {
    const graph = graphOf([makeNode('Relu', ['h'], ['y']), makeNode('Neg', ['x'], ['h'])]);
    assert.equal(graph.isTopological(), false);
    graph.sortTopologically();
    assert.ok(graph.isTopological());
    assert.deepEqual(wiring(graph), ['Neg(x) h', 'Relu(h) y']);
  });
});
