/** Settings that all kinds of weight-only quantization share, with their defaults, and how reports name them. Data only. */
import type { Graph } from '../../graph/graph.ts';
import type { LayerChange } from '../../pass.ts';
import type { LinearLayer } from '../linear/find-layers.ts';
import { findLinearLayers, layerChange } from '../linear/find-layers.ts';
import type { BlockSettings, BlockSize } from './block-scales.ts';

export interface WeightOnlySettings extends Partial<BlockSettings> {
  /**
   * 4: inputs are rounded to 8 bits for the product, which is what makes it fast; 0: they stay float32.
   * With 8-bit weights 0 is many times slower.
   * @default 4
   */
  readonly accuracyLevel?: 0 | 1 | 4;
  /** Names of nodes, as reports give them, that stay float32. */
  readonly exclude?: readonly string[] | undefined;
}

/** 4 bits in blocks of 32, or 8 bits in blocks of 128; symmetric, scales of the least squared error. */
export function withDefaults(settings: WeightOnlySettings): BlockSettings & { readonly accuracyLevel: number } {
  const { bits = 4, symmetric = true, scaleSearch = 'mse', accuracyLevel = 4 } = settings;
  const { blockSize = bits === 4 ? 32 : 128 } = settings;
  return { bits, blockSize, symmetric, scaleSearch, accuracyLevel };
}

/** A block is never twice as long as the sums it is for: the rest would be padding. */
export function settingsFor<T extends BlockSettings>(settings: T, { inner }: LinearLayer): T {
  let { blockSize } = settings;
  while (blockSize > 16 && blockSize >= 2 * inner) blockSize = (blockSize / 2) as BlockSize;
  return { ...settings, blockSize };
}

export function describeSettings({ bits, blockSize, symmetric }: BlockSettings): string {
  return `INT${bits}, blocks of ${blockSize}, ${symmetric ? 'symmetric' : 'asymmetric'}`;
}

/** Layers that MatMulNBits can take, and that it makes smaller. */
export function findWeightOnlyLayers(
  graph: Graph,
  exclude: readonly string[] | undefined,
  block: BlockSettings,
): { readonly layers: readonly LinearLayer[]; readonly skipped: readonly LayerChange[] } {
  const found = findLinearLayers(graph, exclude);
  const layers: LinearLayer[] = [];
  const skipped = [...found.skipped];
  for (const layer of found.layers) {
    const reason =
      graph.typeOf(layer.input)?.dims?.length === 1
        ? 'its input has only one dimension'
        : codedBytes(layer, settingsFor(block, layer)) >= layer.weight.byteLength
          ? `with ${layer.inner} weights per sum it would be no smaller`
          : undefined;
    if (reason === undefined) layers.push(layer);
    else skipped.push(layerChange(layer.node, reason));
  }
  return { layers, skipped };
}

function codedBytes({ inner, outer }: LinearLayer, { bits, blockSize, symmetric }: BlockSettings): number {
  const blocks = Math.ceil(inner / blockSize);
  return outer * ((blocks * blockSize * bits) / 8 + blocks * (symmetric ? 4 : 4 + bits / 8));
}
