import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeNode } from '../../onnx-file/model.ts';
import type { Graph } from './graph.ts';
import { graphFromBytes } from './load.ts';
import { bodyAround, bodyOf, graphWithIf, ifNode } from './testing/bodies.ts';
import { float32Tensor } from './testing/small-models.ts';

/** x -> Neg -> h; y = if c then Add(h, w) else (if c then h else Abs(k)), where k = Exp(x). */
function nested(): Graph {
  const inner = ifNode('deep', bodyOf([], 'h'), bodyOf([makeNode('Abs', ['k'], ['abs'])], 'abs'));
  const choice = ifNode('y', bodyOf([makeNode('Add', ['h', 'w'], ['sum'])], 'sum'), bodyAround(inner, 'deep'));
  const nodes = [makeNode('Neg', ['x'], ['h']), makeNode('Exp', ['x'], ['k'])];
  return graphWithIf(nodes, choice, [float32Tensor('w', [1], 5)]);
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
