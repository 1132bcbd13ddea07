/**
 * Where a variant loses precision: SQNR of the values inside, for those whose names survived the passes. Called by plan/ for the report.
 * Both graphs get these values as outputs, in copies that nobody keeps.
 */
import type { Rows } from '../data/rows.ts';
import type { Graph } from '../graph/graph.ts';
import { withOutputs } from '../graph/infer-shapes.ts';
import { openGraph } from '../graph/open-graph.ts';
import type { ModelRunner, OpenModel } from '../pass.ts';
import { OutputMeter } from './output-meter.ts';
import { runRows } from './run-rows.ts';

export interface LayerDifference {
  /** Name of the value. */
  readonly value: string;
  readonly node: string;
  readonly opType: string;
  readonly sqnrDb: number;
}

export interface LayerOptions {
  /** Evenly spread over the model. @default 64 */
  readonly mostLayers?: number;
  /** @default 8 */
  readonly mostRows?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Operators whose results are worth a bar in the report. */
const layerTypes = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul', 'Add', 'Relu', 'Concat', 'LayerNormalization']);

/** @throws MODEL_FAILED where a graph with so many outputs cannot be opened */
export async function compareLayers(
  runner: ModelRunner,
  original: Graph,
  variant: Graph,
  data: Rows,
  { mostLayers = 64, mostRows = 8, signal }: LayerOptions = {},
): Promise<LayerDifference[]> {
  const layers = spread(commonLayers(original, variant), mostLayers);
  if (layers.length === 0) return [];
  const names = layers.map(({ value }) => value);
  const open: OpenModel[] = [];
  try {
    for (const graph of [original, variant]) open.push(await openGraph(withOutputs(graph, names), runner));
    const meters = names.map((name) => new OutputMeter(name));
    const [left, right] = open as [OpenModel, OpenModel];
    const others = runRows(right, data, { fetches: names, mostRows, signal });
    for await (const { outputs } of runRows(left, data, { fetches: names, mostRows, signal })) {
      const next = await others.next();
      if (next.done === true) break;
      for (const [index, name] of names.entries()) meters[index]!.add(outputs[name]!, next.value.outputs[name]!);
    }
    return layers.map((layer, index) => ({ ...layer, sqnrDb: meters[index]!.result().sqnrDb }));
  } finally {
    await Promise.all(open.map((model) => model.close()));
  }
}

function commonLayers(original: Graph, variant: Graph): Omit<LayerDifference, 'sqnrDb'>[] {
  return original.nodes.flatMap((node) => {
    const [value = ''] = node.outputs;
    if (!layerTypes.has(node.opType) || value === '' || original.isGraphOutput(value)) return [];
    if (variant.producerOf(value) === undefined) return [];
    return [{ value, node: node.name === '' ? value : node.name, opType: node.opType }];
  });
}

function spread<T>(items: readonly T[], most: number): T[] {
  if (items.length <= most) return [...items];
  return Array.from({ length: most }, (_, index) => items[Math.floor((index * items.length) / most)]!);
}
