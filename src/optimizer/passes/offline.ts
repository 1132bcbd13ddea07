/**
 * Graph optimization by ONNX Runtime itself, kept in the model: constants and BatchNorms folded, nodes fused. `basic` gives standard
 * operators again and is what other passes start from; `extended` fuses into operators of the runtime; `layout` and `all` also
 * lay tensors out for this very processor. The runtime is the caller's: this file only knows a function that optimizes bytes.
 */
import { concatBytes } from '../../onnx-file/fields.ts';
import type { Graph } from '../graph/graph.ts';
import { graphFromBytes } from '../graph/load.ts';
import type { LayerChange, Pass, PassReport } from '../pass.ts';
import { describeProcessor } from './offline/processor.ts';
import { canReplaceFrom, replaceGraph } from './offline/replace-graph.ts';

export type OfflineLevel = 'basic' | 'extended' | 'layout' | 'all';

/** What engines/onnx/offline-optimize.ts does. @throws MODEL_FAILED in the runtime's words */
export type OptimizeOffline = (model: Uint8Array, level: OfflineLevel) => Promise<Uint8Array>;

export interface OfflineSettings {
  /** @default 'extended' */
  readonly level?: OfflineLevel;
}

/** Of the model's metadata: the level, and the processor that a tied result is for. */
export const offlineLevelKey = 'hotpath.offline_level';
export const offlineProcessorKey = 'hotpath.offline_processor';

/** The runtime reads and writes one file, and protobuf ends at 2 GiB. */
const mostBytes = 1_900_000_000;

export function makeOfflinePass(
  optimizeOffline: OptimizeOffline,
  processor: () => string = describeProcessor,
): Pass<OfflineSettings> {
  return async (graph, { level = 'extended' }, { signal, onProgress }) => {
    const title = `graph optimization (${level})`;
    graph.fixConstants();
    const bytes = graph.initializers.reduce((sum, { byteLength }) => sum + byteLength, 0);
    if (bytes > mostBytes) return untouched(title, 'The model is too large for a single file of 2 GiB.');
    const optimized = graphFromBytes(await optimizeOffline(inOneFile(graph), level));
    signal?.throwIfAborted();
    if (!canReplaceFrom(optimized)) return untouched(title, 'The model has bodies of If, Loop or Scan, which stay.');
    const changed = compareOperators(graph, optimized);
    replaceGraph(graph, optimized);
    const machineSpecific = level === 'layout' || level === 'all';
    graph.head.setMetadata(offlineLevelKey, level);
    if (machineSpecific) graph.head.setMetadata(offlineProcessorKey, processor());
    onProgress(1, 'whole graph');
    return {
      title,
      changed,
      skipped: [],
      notes: changed.length === 0 ? ['The runtime found nothing to improve.'] : [],
      machineSpecific,
    };
  };
}

function untouched(title: string, reason: string): PassReport {
  return { title, changed: [], skipped: [], notes: [`Nothing was changed: ${reason}`] };
}

/** Also what lies in other files. */
function inOneFile(graph: Graph): Uint8Array {
  const chunks = graph.chunks((constant) => (constant.storage === 'external' ? constant.inlined() : undefined));
  return concatBytes(chunks.map((chunk) => (chunk instanceof Uint8Array ? chunk : chunk.read())));
}

/** Operators whose number changed. */
function compareOperators(before: Graph, after: Graph): LayerChange[] {
  const count = (graph: Graph): Map<string, number> => {
    const counts = new Map<string, number>();
    for (const { opType } of graph.nodes) counts.set(opType, (counts.get(opType) ?? 0) + 1);
    return counts;
  };
  const [old, now] = [count(before), count(after)];
  return [...new Set([...old.keys(), ...now.keys()])].flatMap((opType): LayerChange[] => {
    const [from, to] = [old.get(opType) ?? 0, now.get(opType) ?? 0];
    return from === to ? [] : [{ node: opType, opType, what: `${from} before, ${to} now` }];
  });
}
