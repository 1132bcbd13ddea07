/**
 * Raises the standard operator set of a model to 13, the first whose DequantizeLinear knows channels. Operators whose inputs moved
 * from attributes are rewritten; a model with one whose meaning changed in a way that cannot be rewritten stays as it is.
 * Called by passes that write QuantizeLinear and DequantizeLinear. Source: ONNX Changelog.md, opsets 8 to 13.
 */
import { ints, makeNode, makeTensor, string } from '../../../onnx-file/model.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Node } from '../../graph/node.ts';
import { describeNode } from '../../graph/node.ts';

export const qdqOpset = 13;

/** Changed between the two versions; `since` is the version with the new form. */
interface Change {
  readonly since: number;
  /** Undefined: cannot be rewritten. */
  readonly rewrite?: (graph: Graph, node: Node, rankOf: RankOf) => boolean;
}

const moveAxes = (graph: Graph, node: Node): boolean => moveInts(graph, node, 'axes', 1);

const changes: Readonly<Record<string, Change>> = {
  Upsample: { since: 10, rewrite: rewriteResize },
  Scan: { since: 9 },
  BatchNormalization: { since: 9, rewrite: (_, node) => node.int('spatial', 1) === 1 },
  Slice: { since: 10, rewrite: rewriteSlice },
  TopK: { since: 10, rewrite: rewriteTopK },
  Resize: { since: 11, rewrite: rewriteResize },
  Clip: { since: 11, rewrite: rewriteClip },
  Pad: { since: 11, rewrite: rewritePad },
  Dropout: { since: 12, rewrite: (graph, node) => graph.bypass(node) },
  Softmax: { since: 13, rewrite: lastAxisOnly },
  LogSoftmax: { since: 13, rewrite: lastAxisOnly },
  Hardmax: { since: 13, rewrite: lastAxisOnly },
  Squeeze: { since: 13, rewrite: moveAxes },
  Unsqueeze: { since: 13, rewrite: moveAxes },
  ReduceSum: { since: 13, rewrite: moveAxes },
  Split: { since: 13, rewrite: (graph, node) => moveInts(graph, node, 'split', 1) },
};

export type RankOf = (value: string) => number | undefined;

/** Values whose number of dimensions decides how the model can be rewritten. */
export function ranksWanted(graph: Graph): string[] {
  if ((graph.head.opset() ?? 0) >= qdqOpset) return [];
  const softmaxes = graph.nodes.filter(
    ({ opType, domain }) => domain === '' && changes[opType]?.rewrite === lastAxisOnly,
  );
  return softmaxes.map(({ inputs }) => inputs[0]!);
}

/** @returns the reason why the model stays at its version, which is then as it was; undefined when it is at 13 or above */
export function raiseOpset(
  graph: Graph,
  rankOf: RankOf = (value) => graph.typeOf(value)?.dims?.length,
): string | undefined {
  const version = graph.head.opset() ?? 0;
  if (version >= qdqOpset) return undefined;
  if (version < 7) return `opset ${version} is older than 7`;
  if (graph.head.functionCount > 0) return 'the model defines functions of its own';
  const body = graph.nodes.find(({ bodies }) => bodies.uses.size + bodies.makes.size > 0);
  if (body !== undefined) return `${describeNode(body)} has a body whose operators would change their meaning`;
  const affected = graph.nodes.filter((node) => node.domain === '' && (changes[node.opType]?.since ?? 0) > version);
  // On a copy first: a model that cannot be raised must not be half rewritten.
  const trial = graph.clone();
  const copies = new Map(trial.nodes.map((node) => [node.outputs.join('\n'), node]));
  for (const node of affected) {
    if (!rewrite(trial, copies.get(node.outputs.join('\n'))!, rankOf)) {
      return `${describeNode(node)} has another form from opset ${changes[node.opType]!.since} on`;
    }
  }
  for (const node of affected) rewrite(graph, node, rankOf);
  graph.head.setOpset('', qdqOpset);
  graph.head.irVersion = Math.max(graph.head.irVersion, 7);
  return undefined;
}

function rewrite(graph: Graph, node: Node, rankOf: RankOf): boolean {
  return changes[node.opType]?.rewrite?.(graph, node, rankOf) ?? false;
}

function moveInts(graph: Graph, node: Node, attribute: string, index: number): boolean {
  const values = node.ints(attribute);
  if (values === undefined) return true;
  // "To the end" is the largest int64, which a number rounds up to one too many.
  const data = BigInt64Array.from(values, (value) => (value >= 2 ** 63 ? 2n ** 63n - 1n : BigInt(value)));
  const name = graph.freshName(`${node.outputs[0]}_${attribute}`);
  graph.addInitializer(makeTensor(name, 'int64', [values.length], data));
  node.removeAttribute(attribute);
  graph.replaceInput(node, index, name);
  return true;
}

function rewriteSlice(graph: Graph, node: Node): boolean {
  moveInts(graph, node, 'starts', 1);
  moveInts(graph, node, 'ends', 2);
  return moveInts(graph, node, 'axes', 3);
}

function rewriteTopK(graph: Graph, node: Node): boolean {
  const k = node.int('k');
  if (k === undefined) return false;
  node.setAttribute('k', ints([k]));
  return moveInts(graph, node, 'k', 1);
}

/** The forms before 11 knew one way to place pixels, which newer ones call asymmetric, rounding down. */
function rewriteResize(graph: Graph, node: Node): boolean {
  const [input = '', given] = node.inputs;
  const mode = node.text('mode', 'nearest');
  const listed = node.floats('scales');
  if ((given === undefined && listed === undefined) || !['nearest', 'linear'].includes(mode)) return false;
  const scales = given ?? graph.freshName(`${node.outputs[0]}_scales`);
  if (given === undefined) {
    graph.addInitializer(makeTensor(scales, 'float32', [listed!.length], Float32Array.from(listed!)));
  }
  const attributes = {
    mode: string(mode),
    coordinate_transformation_mode: string('asymmetric'),
    nearest_mode: string('floor'),
  };
  graph.replaceNode(node, [makeNode('Resize', [input, '', scales], node.outputs, attributes, { name: node.name })]);
  return true;
}

function moveFloat(graph: Graph, node: Node, attribute: string, index: number): void {
  const value = node.float(attribute);
  if (value === undefined) return;
  const name = graph.freshName(`${node.outputs[0]}_${attribute}`);
  graph.addInitializer(makeTensor(name, 'float32', [], Float32Array.of(value)));
  node.removeAttribute(attribute);
  graph.replaceInput(node, index, name);
}

function isFloat32(graph: Graph, node: Node): boolean {
  const datatype = graph.typeOf(node.inputs[0]!)?.datatype ?? graph.typeOf(node.outputs[0]!)?.datatype;
  return datatype === undefined || datatype === 'float32';
}

function rewriteClip(graph: Graph, node: Node): boolean {
  // Limits have the type of the data; unknown is taken as float32, which the runtime checks at load.
  if (!isFloat32(graph, node)) return false;
  moveFloat(graph, node, 'min', 1);
  moveFloat(graph, node, 'max', 2);
  return true;
}

function rewritePad(graph: Graph, node: Node): boolean {
  if (!isFloat32(graph, node)) return false;
  moveFloat(graph, node, 'value', 2);
  return moveInts(graph, node, 'pads', 1);
}

/** Before 13 all axes from `axis` on were one; that is the same only for the last. */
function lastAxisOnly(graph: Graph, node: Node, rankOf: RankOf): boolean {
  const axis = node.int('axis', 1);
  const rank = rankOf(node.inputs[0]!) ?? rankOf(node.outputs[0]!);
  if (axis !== -1 && (rank === undefined || axis !== rank - 1)) return wrapSoftmax(graph, node, axis);
  node.setAttribute('axis', { type: 'int', value: -1 });
  return true;
}

/** The old meaning in new operators: flatten from `axis` on, compute, and shape back. */
function wrapSoftmax(graph: Graph, node: Node, axis: number): boolean {
  if (axis < 0) return false;
  const [input = ''] = node.inputs;
  const output = node.outputs[0]!;
  const [shape, flat, result] = ['shape', 'flat', 'result'].map((part) => graph.freshName(`${output}_${part}`));
  const options = (name: string) => ({ name: graph.freshName(`${output}_${name}`) });
  graph.replaceNode(node, [
    makeNode('Shape', [input], [shape!], {}, options('Shape')),
    makeNode('Flatten', [input], [flat!], { axis: { type: 'int', value: axis } }, options('Flatten')),
    makeNode(node.opType, [flat!], [result!], { axis: { type: 'int', value: -1 } }, { name: node.name }),
    makeNode('Reshape', [result!, shape!], [output], {}, options('Reshape')),
  ]);
  return true;
}
