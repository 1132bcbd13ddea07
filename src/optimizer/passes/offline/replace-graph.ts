/**
 * Puts the nodes and constants of one graph in the place of another's, whose signature, metadata and origin stay. Called by
 * offline.ts, whose caller holds on to the graph that it gave. The graph given is not changed; constants share their bytes.
 */
import type { Attribute, Node as NodeLiteral } from '../../../onnx-file/model.ts';
import { float, floats, int, ints, makeNode, string, strings, tensor } from '../../../onnx-file/model.ts';
import type { Constant } from '../../graph/constant.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Node } from '../../graph/node.ts';

/** Whether all nodes of a graph can be written anew: bodies of If, Loop and Scan cannot. */
export function canReplaceFrom(graph: Graph): boolean {
  return graph.nodes.every((node) => node.attributeNames.every((name) => readAttribute(node, name) !== undefined));
}

export function replaceGraph(graph: Graph, by: Graph): void {
  const outputs = graph.outputs;
  const domains = new Set(by.nodes.map(({ domain }) => domain));
  for (const { name } of outputs) graph.removeGraphOutput(name);
  graph.removeUnused();
  for (const constant of by.initializers) graph.addInitializer(literalOf(constant));
  for (const node of by.nodes) graph.append(nodeLiteral(node));
  for (const { name, type } of outputs) {
    // A model that does not say of its output what it is: the runtime's file does.
    const known = type.datatype === undefined ? (by.typeOf(name) ?? type) : type;
    if (known.datatype === undefined) graph.addUntypedOutput(name);
    else graph.setGraphOutput({ name, datatype: known.datatype, dims: known.dims ?? [] });
  }
  for (const { domain, version } of by.head.opsets) if (domains.has(domain)) graph.head.setOpset(domain, version);
  graph.head.irVersion = Math.max(graph.head.irVersion, by.head.irVersion);
  graph.dropValueInfos();
}

function literalOf(constant: Constant) {
  const { name, dims, datatype } = constant;
  if (datatype === 'string') return { name, dims, datatype, strings: constant.strings() };
  return { name, dims, datatype, raw: constant.raw() };
}

function nodeLiteral(node: Node): NodeLiteral {
  const attributes = Object.fromEntries(node.attributeNames.map((name) => [name, readAttribute(node, name)!]));
  return makeNode(node.opType, node.inputs, node.outputs, attributes, { name: node.name, domain: node.domain });
}

/** Undefined for kinds that cannot be written here. */
function readAttribute(node: Node, name: string): Attribute | undefined {
  switch (node.attributeType(name)) {
    case 'float':
      return float(node.float(name, 0));
    case 'int':
      return int(whole(node.int(name, 0)));
    case 'string':
      return string(node.text(name, ''));
    case 'floats':
      return floats(node.floats(name) ?? []);
    case 'ints':
      return ints(node.ints(name, []).map(whole));
    case 'strings':
      return strings(node.texts(name) ?? []);
    case 'tensor': {
      const constant = node.tensor(name);
      if (constant === undefined || constant.datatype === 'string') return undefined;
      return tensor({ name: constant.name, datatype: constant.datatype, dims: constant.dims, raw: constant.raw() });
    }
    default:
      return undefined;
  }
}

const most = 2n ** 63n - 1n;

/** "To the end" of old Slice nodes is the largest 64-bit integer, which a number rounds up. */
function whole(value: number): number | bigint {
  if (Number.isSafeInteger(value)) return value;
  const rounded = BigInt(value);
  return rounded > most ? most : rounded;
}
