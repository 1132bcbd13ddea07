import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { concatBytes, scanFields, writeFields, writeHeader } from '../../onnx-file/fields.ts';
import type { Node as NodeLiteral } from '../../onnx-file/model.ts';
import { makeNode, makeTensor } from '../../onnx-file/model.ts';
import { fields } from '../../onnx-file/schema.ts';
import type { Graph } from './graph.ts';
import { graphFromBytes } from './load.ts';
import { Node } from './node.ts';
import { bytesOf, float32Tensor, graphOf } from './testing/small-models.ts';

const wrap = (number: number, content: Uint8Array) => concatBytes([writeHeader(number, content.length), content]);

/** The GraphProto of a model: its nodes may use values from outside. */
function body(nodes: readonly NodeLiteral[], output: string): Uint8Array {
  const graph = scanFields(bytesOf(nodes, [], output)).find(({ number }) => number === fields.model.graph)!;
  // A body has no inputs.
  const kept = scanFields(graph.payload).filter(({ number }) => number !== fields.graph.input);
  return concatBytes(kept.map(({ bytes }) => bytes));
}

function attribute(name: string, graph: Uint8Array): Uint8Array {
  const head = writeFields((writer) => [
    writer.string(fields.attribute.name, name),
    writer.int(fields.attribute.type, 5),
  ]);
  const content = concatBytes([...head.map(({ bytes }) => bytes), wrap(fields.attribute.graph, graph)]);
  return wrap(fields.node.attribute, content);
}

/** x -> Neg -> h; y = if c then Add(h, w) else (if c then h else Abs(k)), where k = Exp(x). */
function nested(): Graph {
  const graph = graphOf(
    [makeNode('Neg', ['x'], ['h']), makeNode('Exp', ['x'], ['k']), makeNode('If', ['c'], ['y'])],
    [makeTensor('c', 'bool', [], Uint8Array.of(1)), float32Tensor('w', [1], 5)],
  );
  const plain = (name: string) => makeNode('If', ['c'], [name]);
  const withBodies = (node: NodeLiteral, then: Uint8Array, other: Uint8Array): Uint8Array => {
    const [bare] = graphOf([node], [makeTensor('c', 'bool', [], Uint8Array.of(1))], { check: false }).nodes;
    return concatBytes([bare!.message, attribute('then_branch', then), attribute('else_branch', other)]);
  };
  const inner = withBodies(plain('deep'), body([], 'h'), body([makeNode('Abs', ['k'], ['abs'])], 'abs'));
  // The body's node, with its bodies, in the place of a plain one.
  const outer = concatBytes([wrap(fields.graph.node, inner), body([], 'deep')]);
  const choice = withBodies(plain('y'), body([makeNode('Add', ['h', 'w'], ['sum'])], 'sum'), outer);
  const bytes = graph.toBytes();
  const fresh = new Node(choice);
  const old = graph.nodes.at(-1)!;
  const chunks = scanFields(bytes).map((field) => {
    if (field.number !== fields.model.graph) return field.bytes;
    const parts = scanFields(field.payload).map((part) =>
      part.number === fields.graph.node && Buffer.from(part.payload).equals(old.message)
        ? wrap(fields.graph.node, fresh.message)
        : part.bytes,
    );
    return wrap(fields.model.graph, concatBytes(parts));
  });
  return graphFromBytes(concatBytes(chunks));
}

describe('bodies of If', () => {
  it('are consumers of the values and constants that they take from outside, at any depth', () => {
    const graph = nested();
    for (const value of ['h', 'k', 'w']) {
      assert.deepEqual(
        graph.consumersOf(value).map(({ node, index }) => [node.opType, index]),
        [['If', -1]],
        value,
      );
    }
    // `c` is taken by the node itself, and by the node inside.
    assert.deepEqual(
      graph.consumersOf('c').map(({ index }) => index),
      [0, -1],
    );
    assert.deepEqual(graph.consumersOf('sum'), []);
    assert.deepEqual(graph.removeUnused(), { nodes: 0, initializers: 0 });
    assert.throws(() => graph.remove(graph.producerOf('k')!), /"k" is still used/);
    assert.throws(() => graph.removeInitializer('w'), /"w": it is still used/);
  });

  it('follow when what they take is renamed, and keep their bytes otherwise', () => {
    const graph = nested();
    const before = graph.toBytes();
    for (const value of ['h', 'k', 'w', 'c']) graph.rename(value, `${value}${value}`);
    const again = graphFromBytes(graph.toBytes());
    assert.deepEqual([...again.node('y')!.bodies.uses].sort(), ['cc', 'hh', 'kk', 'ww']);
    for (const value of ['h', 'k', 'w', 'c']) again.rename(`${value}${value}`, value);
    assert.deepEqual(again.toBytes(), before);
  });

  it('keep a value that nodes no longer take, and give no name away', () => {
    const graph = nested();
    graph.replaceUses('h', 'x');
    assert.deepEqual(
      graph.consumersOf('h').map(({ index }) => index),
      [-1],
    );
    assert.deepEqual(
      ['sum', 'abs', 'deep', 'free'].map((name) => graph.freshName(name)),
      ['sum_1', 'abs_1', 'deep_1', 'free'],
    );
  });

  it('have no values that nothing makes', () => {
    const graph = nested();
    graph.rename('k', 'other');
    graph.splitOutput(graph.producerOf('other')!, 0);
    assert.deepEqual(graph.problems(), ['The value "other", used in a body of node "y" (If), is made by nothing.']);
  });
});
