/** Nodes that hold weights or do the work, with their sizes. Called by inspect-model.ts. Pure. */
import type { Constant } from '../constant.ts';
import type { Graph } from '../graph.ts';
import type { Node } from '../node.ts';
import { flopsOf, isCounted } from './flops.ts';
import type { Verdicts } from './quantizability.ts';
import { judge } from './quantizability.ts';
import { staticShapes } from './static-shapes.ts';

export interface LayerReport {
  /** Of the node, or of its first output where it has none. */
  readonly name: string;
  readonly operator: string;
  /** Of the largest constant. */
  readonly weightShape: readonly number[];
  readonly weightDatatype: string | null;
  /** Elements of all its constants. A constant that several nodes share counts for the first. */
  readonly parameters: number;
  readonly weightBytes: number;
  /** Null: not counted, or a shape is not known. */
  readonly flops: number | null;
  /** Whether the operator is one of those whose operations are counted. */
  readonly counted: boolean;
  /** Per method `yes` or why not; null: nothing to gain. */
  readonly methods: Verdicts | null;
}

/** Largest weights first. */
export function describeLayers(graph: Graph): LayerReport[] {
  const shapeOf = staticShapes(graph);
  const counted = new Set<string>();
  const layers: LayerReport[] = [];
  for (const node of graph.nodes) {
    const own = ownConstants(graph, node, counted);
    if (own.length === 0 && !isCounted(node)) continue;
    const [largest] = own.toSorted((a, b) => b.byteLength - a.byteLength);
    layers.push({
      name: node.name || (node.outputs[0] ?? ''),
      operator: node.opType,
      weightShape: largest?.dims ?? [],
      weightDatatype: largest?.datatype ?? null,
      parameters: own.reduce((sum, { elementCount }) => sum + elementCount, 0),
      weightBytes: own.reduce((sum, { byteLength }) => sum + byteLength, 0),
      flops: safely(() => flopsOf(node, shapeOf)) ?? null,
      counted: isCounted(node),
      methods: safely(() => judge(graph, node)) ?? null,
    });
  }
  return layers.sort((a, b) => b.weightBytes - a.weightBytes || (b.flops ?? 0) - (a.flops ?? 0));
}

/** A damaged attribute costs its answer, not the report. */
function safely<T>(compute: () => T): T | undefined {
  try {
    return compute();
  } catch {
    return undefined;
  }
}

/** Initializers that callers may override are weights too. */
function constantAt(graph: Graph, value: string): Constant | undefined {
  return graph.initializer(value) ?? graph.constantOf(value);
}

function ownConstants(graph: Graph, node: Node, counted: Set<string>): Constant[] {
  const values = [...node.inputs, ...node.bodies.uses];
  return values.flatMap((value) => {
    const constant = counted.has(value) ? undefined : safely(() => constantAt(graph, value));
    if (constant === undefined) return [];
    counted.add(value);
    return [constant];
  });
}
