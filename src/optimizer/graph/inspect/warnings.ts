/** What works and may still surprise. Called by inspect-model.ts. Sentences for people. */
import type { Graph } from '../graph.ts';

/** Domains whose operators are part of ONNX Runtime. */
const builtIn = new Set(['', 'ai.onnx.ml', 'com.microsoft', 'com.ms.internal.nhwc', 'com.microsoft.nchwc']);
/** Beyond this, looking at every weight takes seconds. */
const mostBytesLookedAt = 2 ** 30;

export function findWarnings(graph: Graph): string[] {
  return [...customDomains(graph), ...signature(graph), ...structure(graph), ...weights(graph)];
}

function* customDomains(graph: Graph): Iterable<string> {
  const imported = new Set(graph.head.opsets.map(({ domain }) => domain));
  const byDomain = Map.groupBy(graph.nodes, ({ domain }) => domain);
  for (const [domain, nodes] of byDomain) {
    const operators = [...new Set(nodes.map(({ opType }) => opType))].join(', ');
    if (!builtIn.has(domain) && graph.head.functionCount === 0) {
      yield `Operators of "${domain}" (${operators}) are not part of ONNX Runtime.`;
    }
    if (imported.size > 0 && !imported.has(domain)) yield `The domain "${domain}" of ${operators} is not imported.`;
  }
}

function* signature(graph: Graph): Iterable<string> {
  for (const { name, type } of [...graph.inputs, ...graph.outputs]) {
    if (type.kind === 'sequence' || type.kind === 'map' || type.kind === 'optional') {
      yield `"${name}" is a ${type.kind}: the server does not fetch it.`;
    }
    if (type.datatype === 'string') yield `"${name}" holds strings: it is slower than numbers and cannot be quantized.`;
  }
  const overridable = graph.inputs.filter(({ name }) => graph.isInitializer(name)).length;
  if (overridable > 0 && graph.head.irVersion >= 4) {
    yield `${overridable} weights are listed as inputs: nothing can be folded into them before that is undone.`;
  }
}

function* structure(graph: Graph): Iterable<string> {
  const withBodies = graph.nodes.filter(({ bodies }) => bodies.makes.size > 0 || bodies.uses.size > 0);
  if (withBodies.length > 0) {
    const operators = [...new Set(withBodies.map(({ opType }) => opType))].join(', ');
    const bytes = withBodies.reduce((sum, { message }) => sum + message.length, 0);
    yield `Graphs inside of nodes (${operators}; ${bytes} bytes) are left as they are, and their weights are not counted.`;
  }
  if (graph.head.functionCount > 0)
    yield `The model defines functions of its own (${graph.head.functionCount}), which are left as they are.`;
  if (!graph.isTopological() && graph.problems().length === 0)
    yield 'Nodes stand before others whose results they take.';
}

function* weights(graph: Graph): Iterable<string> {
  let looked = 0;
  for (const constant of graph.initializers) {
    if (!constant.datatype.includes('float') || constant.datatype === 'float8e8m0') continue;
    looked += constant.byteLength;
    if (looked > mostBytesLookedAt) return;
    if (!constant.floats().every(Number.isFinite)) yield `Weight "${constant.name}" has NaN or infinite values.`;
  }
}
