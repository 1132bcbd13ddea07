/**
 * Everything `hotpath inspect` says of a model, as plain data: the JSON output is this. Called by src/cli/inspect.ts.
 * Reads only; damaged models are described as far as they could be read.
 */
import { basename } from 'node:path';
import type { Opset } from '../../../onnx-file/model.ts';
import type { Graph } from '../graph.ts';
import type { ValueEntry } from '../value-entry.ts';
import type { BatchGuess } from './batch-guess.ts';
import { guessBatching } from './batch-guess.ts';
import type { LayerReport } from './layers.ts';
import { describeLayers } from './layers.ts';
import type { Method } from './quantizability.ts';
import { methods } from './quantizability.ts';
import { findWarnings } from './warnings.ts';

export interface ValueReport {
  readonly name: string;
  readonly kind: string;
  readonly datatype: string | null;
  /** A name is a variable size, '' one without a name; null: not stated. */
  readonly shape: readonly (number | string)[] | null;
}

export interface MethodReport {
  readonly method: Method;
  /** Layers it could be applied to, and the share of all weight bytes they hold. */
  readonly layers: number;
  readonly weightShare: number;
  /** Why others not: reason and number of layers. */
  readonly obstacles: readonly { readonly reason: string; readonly layers: number }[];
}

export interface ModelReport {
  readonly producer: string;
  readonly irVersion: number;
  readonly opsets: readonly Opset[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly inputs: readonly ValueReport[];
  readonly outputs: readonly ValueReport[];
  readonly nodes: number;
  readonly operators: readonly { readonly operator: string; readonly domain: string; readonly count: number }[];
  readonly parameters: number;
  readonly weightBytes: number;
  /** Of one row: every size that is only named counts as 1. */
  readonly flops: number;
  /** Layers that should have been counted and whose shapes are not known. */
  readonly layersWithoutFlops: number;
  readonly layers: readonly LayerReport[];
  readonly dynamicAxes: readonly { readonly value: string; readonly axis: number; readonly name: string }[];
  readonly externalFiles: readonly { readonly file: string; readonly bytes: number; readonly tensors: number }[];
  readonly batching: BatchGuess;
  readonly quantization: readonly MethodReport[];
  readonly warnings: readonly string[];
  /** What is broken. */
  readonly problems: readonly string[];
}

export function inspectModel(graph: Graph, problems: readonly string[] = graph.problems()): ModelReport {
  const layers = describeLayers(graph);
  const inputs = graph.inputs.filter(({ name }) => !graph.isInitializer(name));
  return {
    producer: [graph.head.producerName, graph.head.producerVersion].filter((text) => text !== '').join(' '),
    irVersion: graph.head.irVersion,
    opsets: graph.head.opsets,
    metadata: Object.fromEntries(graph.head.metadata),
    inputs: inputs.map(describeValue),
    outputs: graph.outputs.map(describeValue),
    nodes: graph.nodes.length,
    operators: countOperators(graph),
    parameters: layers.reduce((sum, { parameters }) => sum + parameters, 0),
    weightBytes: layers.reduce((sum, { weightBytes }) => sum + weightBytes, 0),
    flops: layers.reduce((sum, { flops }) => sum + (flops ?? 0), 0),
    layersWithoutFlops: layers.filter(({ flops, counted }) => counted && flops === null).length,
    layers,
    dynamicAxes: [...inputs, ...graph.outputs].flatMap(dynamicAxes),
    externalFiles: externalFiles(graph),
    batching: guessBatching(graph),
    quantization: methods.map((method) => summarize(method, layers)),
    warnings: findWarnings(graph),
    problems,
  };
}

function describeValue({ name, type }: ValueEntry): ValueReport {
  return { name, kind: type.kind, datatype: type.datatype ?? null, shape: type.dims ?? null };
}

function dynamicAxes({ name, type }: ValueEntry): { value: string; axis: number; name: string }[] {
  return (type.dims ?? []).flatMap((dim, axis) => (typeof dim === 'string' ? [{ value: name, axis, name: dim }] : []));
}

function countOperators(graph: Graph): { operator: string; domain: string; count: number }[] {
  const counts = new Map<string, { operator: string; domain: string; count: number }>();
  for (const { opType, domain } of graph.nodes) {
    const key = `${domain} ${opType}`;
    const entry = counts.get(key) ?? { operator: opType, domain, count: 0 };
    entry.count++;
    counts.set(key, entry);
  }
  return [...counts.values()].sort((a, b) => b.count - a.count || (a.operator < b.operator ? -1 : 1));
}

function externalFiles(graph: Graph): { file: string; bytes: number; tensors: number }[] {
  const files = new Map<string, { file: string; bytes: number; tensors: number }>();
  for (const { external } of graph.initializers) {
    if (external === undefined) continue;
    const entry = files.get(external.location) ?? { file: basename(external.location), bytes: 0, tensors: 0 };
    entry.bytes += external.lengthBytes;
    entry.tensors++;
    files.set(external.location, entry);
  }
  return [...files.values()];
}

function summarize(method: Method, layers: readonly LayerReport[]): MethodReport {
  const judged = layers.filter(({ methods: verdicts }) => verdicts !== null);
  const able = judged.filter(({ methods: verdicts }) => verdicts![method] === 'yes');
  const bytes = (list: readonly LayerReport[]): number => list.reduce((sum, { weightBytes }) => sum + weightBytes, 0);
  const reasons = new Map<string, number>();
  for (const { methods: verdicts } of judged) {
    const reason = verdicts![method];
    if (reason !== 'yes') reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  const obstacles = [...reasons].map(([reason, count]) => ({ reason, layers: count }));
  const total = bytes(layers);
  return { method, layers: able.length, weightShare: total === 0 ? 0 : bytes(able) / total, obstacles };
}
