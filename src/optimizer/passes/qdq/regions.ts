/**
 * Decides which values of a graph become uint8: what goes into and comes out of integer layers, and what lies between them in
 * operators that can pass integers on (residual sums, pools, concatenations, sigmoids). An operator joins only when all its
 * inputs are integers already and an integer layer needs its result: everything behind the last layer stays float.
 * Called by static quantization. Never changes the graph.
 */
import type { Graph } from '../../graph/graph.ts';
import type { Node } from '../../graph/node.ts';
import { wouldBeJoined } from './guard-activations.ts';
import type { Layer } from './layers.ts';
import { activationBehind, isFixed, keyOf } from './layers.ts';

/** An operator between layers that computes in integers. */
export interface Passer {
  readonly node: Node;
  readonly key: string;
  /** Places of its data inputs that are no constants. */
  readonly inputs: readonly number[];
  /** Places of constant operands, of Add and Mul. */
  readonly constants: readonly number[];
  readonly activation: Node | undefined;
  readonly output: string;
  /** Its result has the scale of its input: it only moves or picks numbers. */
  readonly keepsScale: boolean;
}

export interface Regions {
  readonly layers: readonly Layer[];
  readonly passers: readonly Passer[];
  /** Values to quantize, in the order of the graph; true where an integer kernel makes them. */
  readonly values: ReadonlyMap<string, boolean>;
}

/** Which of its inputs are data; the others are sizes, axes and the like. */
const dataInputs: Readonly<Record<string, 'first' | 'all'>> = {
  Add: 'all',
  Mul: 'all',
  Concat: 'all',
  MaxPool: 'first',
  AveragePool: 'first',
  GlobalAveragePool: 'first',
  Resize: 'first',
  Sigmoid: 'first',
  LeakyRelu: 'first',
  Reshape: 'first',
  Transpose: 'first',
  Flatten: 'first',
  Squeeze: 'first',
  Unsqueeze: 'first',
};

const scaleKeepers: ReadonlySet<string> = new Set([
  'MaxPool',
  'Resize',
  'Reshape',
  'Transpose',
  'Flatten',
  'Squeeze',
  'Unsqueeze',
]);

/** @param onlyLayers leave everything between layers float */
export function planRegions(graph: Graph, layers: readonly Layer[], onlyLayers = false): Regions {
  const candidates = onlyLayers ? [] : graph.nodes.flatMap((node) => candidateOf(graph, node) ?? []);
  let passers: readonly Passer[] = candidates;
  // Each turn drops those that the turn before left without a use; a handful is enough for any real net.
  for (let before = -1; passers.length !== before; ) {
    before = passers.length;
    passers = fedByIntegers(layers, neededByLayers(layers, passers));
  }
  return { layers, passers, values: valuesOf(graph, layers, passers) };
}

function candidateOf(graph: Graph, node: Node): Passer | undefined {
  const which = node.domain === '' ? dataInputs[node.opType] : undefined;
  if (which === undefined || node.outputs.filter((output) => output !== '').length !== 1) return undefined;
  const places = which === 'first' ? [0] : node.inputs.map((_, index) => index);
  const isConstant = (index: number): boolean => graph.constantOf(node.inputs[index]!) !== undefined;
  const constants = places.filter(isConstant);
  const inputs = places.filter((index) => !isConstant(index));
  const floats = constants.every((index) => graph.constantOf(node.inputs[index]!)!.datatype === 'float32');
  if (inputs.length === 0 || !floats || (constants.length > 0 && node.opType === 'Concat')) return undefined;
  const activation = node.opType === 'Add' ? activationBehind(graph, node.outputs[0]!) : undefined;
  const output = (activation ?? node).outputs[0]!;
  if (isFixed(graph, output)) return undefined;
  return {
    node,
    key: keyOf(node),
    inputs,
    constants,
    activation,
    output,
    keepsScale: scaleKeepers.has(node.opType),
  };
}

/** Those whose result reaches a layer through others of them. */
function neededByLayers(layers: readonly Layer[], passers: readonly Passer[]): Passer[] {
  const needed = new Set(layers.map(({ input }) => input));
  const kept: Passer[] = [];
  for (const passer of passers.toReversed()) {
    if (!needed.has(passer.output)) continue;
    for (const index of passer.inputs) needed.add(passer.node.inputs[index]!);
    kept.push(passer);
  }
  return kept.reverse();
}

/** Those whose inputs all come from layers, or from others of them, or are quantized for a layer anyway. */
function fedByIntegers(layers: readonly Layer[], passers: readonly Passer[]): Passer[] {
  const integers = new Set(layers.flatMap(({ input, output }) => [input, output]));
  return passers.filter(({ node, inputs, output }) => {
    const fed = inputs.every((index) => integers.has(node.inputs[index]!));
    if (fed) integers.add(output);
    return fed;
  });
}

function valuesOf(graph: Graph, layers: readonly Layer[], passers: readonly Passer[]): Map<string, boolean> {
  const taken = new Set(layers.map(({ input }) => input));
  for (const { node, inputs } of passers) for (const index of inputs) taken.add(node.inputs[index]!);
  const made = new Set(passers.map(({ output }) => output));
  for (const { node, output } of layers) {
    // Conv has an integer kernel only with an integer result; the others give floats as well.
    const asked = taken.has(output) && !isFixed(graph, output);
    if (node.opType === 'Conv' || asked || (node.opType === 'Gemm' && wouldBeJoined(graph, output))) made.add(output);
  }
  const values = new Map<string, boolean>();
  for (const value of [...graph.inputs.map(({ name }) => name), ...graph.nodes.flatMap(({ outputs }) => outputs)]) {
    if (made.has(value) || taken.has(value)) values.set(value, made.has(value));
  }
  return values;
}
