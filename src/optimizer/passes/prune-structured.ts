/**
 * Structured pruning: takes whole neurons of perceptrons and channels of convolution nets out of a model, which makes it smaller and
 * faster on any runtime, and repairs the layers behind them on calibration data. Called by the optimize command.
 */
import { HotpathError, invalidInput } from '../../core/errors.ts';
import type { Graph } from '../graph/graph.ts';
import { inferShapes } from '../graph/infer-shapes.ts';
import type { LayerChange, Pass, PassContext, PassReport } from '../pass.ts';
import { cutChannels, keptPlaces } from '../prune/apply.ts';
import type { ChannelFlow } from '../prune/channel-flow.ts';
import { followChannels } from '../prune/follow.ts';
import type { ChannelGroup } from '../prune/groups.ts';
import { channelGroups, keptCount } from '../prune/groups.ts';
import type { Importance } from '../prune/importance.ts';
import { measureImportance } from '../prune/importance.ts';
import { syntheticRow } from '../prune/synthetic-row.ts';
import { repair } from './repair.ts';

export interface PruneStructuredSettings {
  /** Part of the channels that goes, 0 to 0.95; a multiple of 8 stays where that is near. @default 0.5 */
  readonly share?: number;
  /** @default 'activations' with calibration data, else 'weights' */
  readonly importance?: Importance;
  /** Also channels that residual sums join across several layers: more of the model, at a greater loss. @default false */
  readonly coupled?: boolean;
  /** Names of layers to prune. @default all that can be */
  readonly layers?: readonly string[];
  /** @default true with calibration data */
  readonly repair?: boolean;
}

interface Choice {
  readonly flow: ChannelFlow;
  readonly removed: ReadonlySet<number>;
  readonly changed: readonly LayerChange[];
  readonly skipped: readonly LayerChange[];
}

/** @throws INVALID_INPUT for a share out of range, and where nothing can be pruned */
export const pruneStructured: Pass<PruneStructuredSettings> = async (graph, settings, context) => {
  const { share = 0.5 } = settings;
  if (!(share > 0 && share <= 0.95)) throw invalidInput('share', 'share must be above 0, at most 0.95.');
  graph.sortTopologically();
  const original = graph.clone();
  const choice = await choose(graph, share, settings, context);
  const isKept = (slot: number): boolean => !choice.removed.has(choice.flow.slots.find(slot));
  const kept = keptChannels(choice.flow, isKept);
  const layers = cutConsumers(choice.flow, isKept);
  const parameters = parametersOf(graph);
  cutChannels(choice.flow, isKept);
  const notes = [`${percent(1 - parametersOf(graph) / parameters)} of the parameters are gone.`];
  const title = `structured pruning (${percent(share)} of channels)`;
  const report: PassReport = { title, changed: choice.changed, skipped: choice.skipped, notes };
  if (context.calibration === undefined || settings.repair === false) return report;
  const repaired = await repair(graph, { original, layers, kept }, later(context));
  return {
    ...report,
    title: `${title} with least-squares repair`,
    changed: [...report.changed, ...repaired.changed],
    skipped: [...report.skipped, ...repaired.skipped],
    notes: [...notes, ...repaired.notes],
  };
};

async function choose(
  graph: Graph,
  share: number,
  settings: PruneStructuredSettings,
  context: PassContext,
): Promise<Choice> {
  const row = context.calibration?.slice(0, 1) ?? syntheticRow(graph);
  const flow = followChannels(graph, await inferShapes(graph, context.runner, row));
  const groups = channelGroups(flow);
  const scores = await measureImportance(flow, settings.importance ?? 'activations', context);
  const removed = new Set<number>();
  const changed: LayerChange[] = [];
  const skipped: LayerChange[] = [...flow.stops];
  for (const group of groups) {
    const why = reasonToKeep(group, settings);
    const goes =
      why === undefined
        ? group.free.length - Math.max(1, keptCount(group.channels.length, share) - pinnedOf(group))
        : 0;
    const least = group.free.toSorted((a, b) => scores[a]! - scores[b]!).slice(0, Math.max(0, goes));
    for (const channel of least) removed.add(channel);
    for (const { node, value } of group.producers) {
      const entry = { node: node.name || value, opType: node.opType };
      if (least.length === 0) skipped.push({ ...entry, what: why ?? 'too few channels to prune' });
      else
        changed.push({
          ...entry,
          what: `${group.channels.length} channels, now ${group.channels.length - least.length}`,
        });
    }
  }
  if (removed.size === 0) throw new HotpathError('INVALID_INPUT', 'The model has no channels that can be pruned.');
  return { flow, removed, changed, skipped };
}

function pinnedOf({ channels, free }: ChannelGroup): number {
  return channels.length - free.length;
}

function reasonToKeep(
  { producers, free }: ChannelGroup,
  { layers, coupled = false }: PruneStructuredSettings,
): string | undefined {
  if (free.length === 0) return 'all channels are needed by the outputs or by what cannot be followed';
  if (producers.length > 1 && !coupled)
    return `joined with ${producers.length - 1} other layers by residual sums: kept`;
  const isNamed = producers.some(({ node, value }) => layers?.includes(node.name) || layers?.includes(value));
  return layers === undefined || isNamed ? undefined : 'not asked for';
}

/** Places of the original's channels that each layer still makes. */
function keptChannels(flow: ChannelFlow, isKept: (slot: number) => boolean): ReadonlyMap<string, readonly number[]> {
  return new Map(flow.producers.map(({ value, slots }) => [value, keptPlaces(slots, 1, isKept)]));
}

/** Layers that lose inputs: those to repair. */
function cutConsumers(flow: ChannelFlow, isKept: (slot: number) => boolean): ReadonlySet<string> {
  const cut = flow.consumers.filter(({ slots }) => !slots.every(isKept));
  return new Set(cut.map(({ node }) => node.outputs[0]!));
}

function parametersOf(graph: Graph): number {
  return graph.initializers.reduce((sum, { elementCount }) => sum + elementCount, 0);
}

/** Choosing is quick; progress is that of the repair. */
function later(context: PassContext): PassContext {
  return { ...context, onProgress: (share, what) => context.onProgress(0.1 + 0.9 * share, what) };
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;
