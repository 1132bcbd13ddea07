/** Groups of layers whose channels go together, and what of each may go. Called by the structured pruning pass. Pure. */
import type { ChannelFlow, LayerSide } from './channel-flow.ts';

export interface ChannelGroup {
  /** Layers that make these channels: one, or several behind residual sums. */
  readonly producers: readonly LayerSide[];
  /** One root slot per channel. */
  readonly channels: readonly number[];
  /** Those of `channels` that nothing needs in full. */
  readonly free: readonly number[];
}

/** In the order of the graph. */
export function channelGroups(flow: ChannelFlow): ChannelGroup[] {
  const { slots } = flow;
  const groupOf = new Map<number, { producers: LayerSide[]; channels: Set<number> }>();
  for (const producer of flow.producers) {
    const roots = producer.slots.map((slot) => slots.find(slot));
    const touched = new Set(roots.map((root) => groupOf.get(root)).filter((group) => group !== undefined));
    const producers = [...[...touched].flatMap((group) => group.producers), producer];
    const channels = new Set([...[...touched].flatMap((group) => [...group.channels]), ...roots]);
    const merged = { producers, channels };
    for (const root of channels) groupOf.set(root, merged);
  }
  return [...new Set(groupOf.values())].map(({ producers, channels }) => ({
    producers,
    channels: [...channels],
    free: [...channels].filter((channel) => !slots.isPinned(channel)),
  }));
}

/** How many of `count` channels stay: a multiple of 8, which fills the processor's registers, where that is near enough. */
export function keptCount(count: number, share: number): number {
  const wanted = Math.max(1, count * (1 - share));
  const eights = Math.round(wanted / 8) * 8;
  const isNear = Math.abs(eights - wanted) <= count / 10;
  return isNear && eights >= 16 && eights <= count ? eights : Math.max(1, Math.round(wanted));
}
