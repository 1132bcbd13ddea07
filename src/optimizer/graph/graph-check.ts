/**
 * What is wrong with a graph, as sentences that name the node. Called at load, before every save, and by `hotpath inspect`,
 * which shows them all. Linear in the size of the graph.
 */
import type { Graph } from './graph.ts';
import type { Node } from './node.ts';
import { describeNode } from './node.ts';

/** Enough to understand what happened; a damaged file may have one per node. */
const mostProblems = 20;

export function findProblems(graph: Graph): string[] {
  const problems = graph.head.opsets.length === 0 ? ['The model imports no opset: its operators have no meaning.'] : [];
  for (const find of [namesTwice, dangling, cycles]) {
    for (const problem of find(graph)) {
      if (problems.length >= mostProblems) return problems;
      problems.push(problem);
    }
  }
  return problems;
}

function* namesTwice(graph: Graph): Iterable<string> {
  const makers = new Map<string, string>();
  for (const { name } of graph.inputs) {
    if (makers.has(name)) yield `The graph has two inputs "${name}".`;
    makers.set(name, 'an input of the graph');
  }
  const outputs = new Set<string>();
  for (const { name } of graph.outputs) {
    if (outputs.has(name)) yield `The graph has two outputs "${name}".`;
    outputs.add(name);
  }
  for (const name of graph.initializersTwice) yield `Two initializers are called "${name}".`;
  for (const { name } of graph.initializers) makers.set(name, 'an initializer');
  for (const node of graph.nodes) {
    for (const output of node.outputs) {
      if (output === '') continue;
      const other = makers.get(output);
      if (other !== undefined) yield `The value "${output}" is made twice: by ${describeNode(node)} and as ${other}.`;
      makers.set(output, `an output of ${describeNode(node)}`);
    }
  }
}

function* dangling(graph: Graph): Iterable<string> {
  const exists = (value: string): boolean =>
    graph.producerOf(value) !== undefined || graph.isInitializer(value) || graph.isGraphInput(value);
  for (const node of graph.nodes) {
    if (node.opType === '') yield `A node has no operator: ${describeNode(node)}.`;
    for (const input of node.inputs) {
      if (input !== '' && !exists(input)) yield `The input "${input}" of ${describeNode(node)} is made by nothing.`;
    }
    for (const value of node.bodies.uses) {
      if (value !== '' && !exists(value))
        yield `The value "${value}", used in a body of ${describeNode(node)}, is made by nothing.`;
    }
  }
  for (const { name } of graph.outputs) if (!exists(name)) yield `The graph's output "${name}" is made by nothing.`;
}

function* cycles(graph: Graph): Iterable<string> {
  const { inCycle } = topologicalOrder(graph);
  if (inCycle !== undefined) yield `The graph has a cycle through ${describeNode(inCycle)}.`;
}

/** Nodes that make what this one takes, itself or in its bodies. */
function sourcesOf(graph: Graph, node: Node): Node[] {
  const values = [...node.inputs, ...node.bodies.uses];
  return values.map((value) => graph.producerOf(value)).filter((source) => source !== undefined);
}

/**
 * The nodes so that each comes after those it takes from, otherwise in the order they have. `inCycle`: one of a cycle, if
 * there is one; the order is then of no use. Without recursion: chains of 100,000 nodes exist.
 */
export function topologicalOrder(graph: Graph): { readonly order: readonly Node[]; readonly inCycle?: Node } {
  const order: Node[] = [];
  const state = new Map<Node, 'open' | 'done'>();
  for (const root of graph.nodes) {
    const path: { readonly node: Node; readonly sources: readonly Node[]; next: number }[] = [];
    const enter = (node: Node): void => {
      state.set(node, 'open');
      path.push({ node, sources: sourcesOf(graph, node), next: 0 });
    };
    if (!state.has(root)) enter(root);
    while (path.length > 0) {
      const step = path.at(-1)!;
      const source = step.sources[step.next++];
      if (source === undefined) {
        state.set(step.node, 'done');
        order.push(step.node);
        path.pop();
      } else if (state.get(source) === 'open') return { order, inCycle: source };
      else if (!state.has(source)) enter(source);
    }
  }
  return { order };
}
