/**
 * Finds places where the channels of a value can be made smaller and the weights behind it larger without changing any answer:
 * the value must come from a norm, a product or a layer with constants of its own, by way of operators that pass a positive
 * factor on. Called by SmoothQuant. Never changes the graph.
 */
import type { Graph } from '../../graph/graph.ts';
import type { Node } from '../../graph/node.ts';
import type { Layer } from './layers.ts';
import { findLayer, isFixed } from './layers.ts';

/** An input of a node that is a constant with the channels along `axis`. */
export interface ScaledConstant {
  readonly node: Node;
  readonly index: number;
  /** May be -1. */
  readonly axis: number;
}

export interface Scalable {
  readonly value: string;
  /** 1 in pictures, -1 in rows of features. */
  readonly channelAxis: 1 | -1;
  readonly channels: number;
  /** To be divided. */
  readonly sources: readonly ScaledConstant[];
  /** To be multiplied: weights of the layers that take the value. */
  readonly takers: readonly ScaledConstant[];
}

/** Relu(a x) = a Relu(x) for a > 0, and so on. */
const passesFactors: ReadonlySet<string> = new Set(['Relu', 'LeakyRelu', 'Dropout', 'Identity']);
const passesFactorsOfPictures: ReadonlySet<string> = new Set(['MaxPool', 'AveragePool', 'GlobalAveragePool']);

export function findScalables(graph: Graph): Scalable[] {
  const layers = new Map<Node, Layer>();
  for (const node of graph.nodes) {
    const layer = findLayer(graph, node);
    if (typeof layer === 'object') layers.set(node, layer);
  }
  const values = new Set([...layers.values()].map(({ input }) => input));
  return [...values].flatMap((value) => scalableAt(graph, value, layers) ?? []);
}

function scalableAt(graph: Graph, value: string, layers: ReadonlyMap<Node, Layer>): Scalable | undefined {
  if (isFixed(graph, value)) return undefined;
  const users = graph.consumersOf(value).map(({ node, index }) => (index === 0 ? layers.get(node) : undefined));
  const [first] = users;
  if (first === undefined) return undefined;
  const channelAxis = first.node.opType === 'Conv' ? 1 : -1;
  const channels = inputChannels(first);
  const takers: ScaledConstant[] = [];
  for (const user of users) {
    // Groups see only a part of the channels each.
    const fits = user !== undefined && (user.node.opType === 'Conv') === (channelAxis === 1);
    if (!fits || inputChannels(user) !== channels || user.node.int('group', 1) !== 1) return undefined;
    takers.push({ node: user.node, index: 1, axis: user.node.opType === 'Conv' ? 1 : 1 - user.channelAxis });
  }
  const sources = findSources(graph, value, channels, channelAxis, layers);
  return sources && { value, channelAxis, channels, sources, takers };
}

function inputChannels({ node, weight, channelAxis }: Layer): number {
  return node.opType === 'Conv' ? weight.dims[1]! : weight.dims[1 - channelAxis]!;
}

function findSources(
  graph: Graph,
  start: string,
  channels: number,
  channelAxis: 1 | -1,
  layers: ReadonlyMap<Node, Layer>,
): ScaledConstant[] | undefined {
  const found: ScaledConstant[] = [];
  for (let value = start; ; ) {
    const node = graph.producerOf(value);
    if (node === undefined || node.domain !== '' || isFixed(graph, value)) return undefined;
    if (value !== start && graph.consumersOf(value).length !== 1) return undefined;
    const isRow = (index: number): boolean => {
      const constant = graph.constantOf(node.inputs[index] ?? '');
      return (
        constant?.datatype === 'float32' && constant.elementCount === channels && constant.dims.at(-1) === channels
      );
    };
    const passes = passesFactors.has(node.opType) || (channelAxis === 1 && passesFactorsOfPictures.has(node.opType));
    if (passes) {
      value = node.inputs[0]!;
      continue;
    }
    const layer = layers.get(node);
    if (layer !== undefined) {
      const own = ownConstants(layer, channels, channelAxis, isRow);
      return own && [...found, ...own];
    }
    if (channelAxis === 1) return undefined;
    if (node.opType === 'LayerNormalization') {
      const hasBias = (node.inputs[2] ?? '') !== '';
      if (!isRow(1) || (hasBias && !isRow(2))) return undefined;
      return [...found, { node, index: 1, axis: -1 }, ...(hasBias ? [{ node, index: 2, axis: -1 }] : [])];
    }
    const row = isRow(0) ? 0 : isRow(1) ? 1 : undefined;
    if (row === undefined || (node.opType !== 'Mul' && node.opType !== 'Add')) return undefined;
    found.push({ node, index: row, axis: -1 });
    if (node.opType === 'Mul') return found;
    value = node.inputs[1 - row]!;
  }
}

/** Weights and bias of a layer whose result is to shrink. */
function ownConstants(
  { node, weight, channelAxis }: Layer,
  channels: number,
  wanted: 1 | -1,
  isRow: (index: number) => boolean,
): ScaledConstant[] | undefined {
  if ((node.opType === 'Conv') !== (wanted === 1) || weight.dims[channelAxis] !== channels) return undefined;
  const hasBias = (node.inputs[2] ?? '') !== '';
  if (hasBias && !isRow(2)) return undefined;
  return [{ node, index: 1, axis: channelAxis }, ...(hasBias ? [{ node, index: 2, axis: -1 }] : [])];
}
