/**
 * Under which keys the features of one model's entities are remembered. The prefix holds the model and a digest of what decides a
 * row (source, keys, the model's inputs), so that a change of any of them finds nothing old. Keys are not secret.
 */
import type { FeaturesConfig } from '../../ports/feature-source.ts';
import type { TensorSpec } from '../tensor.ts';

const maxKeyLength = 512;

export class FeatureKeys {
  /** Begins as all keys of the model do, so that dropping what is cached of the model drops its features too. */
  readonly prefix: string;

  constructor(model: string, config: FeaturesConfig, inputs: readonly TensorSpec[]) {
    const { source, key, batchKey } = config;
    const taken = inputs.map(({ name, datatype, shape }) => [name, datatype, shape.length]);
    this.prefix = `${featurePrefix(model)}${digest(JSON.stringify([source, key, batchKey, taken]))}:`;
  }

  /** Of the memory tier: exact. */
  near(entity: string): string {
    return this.prefix + entity;
  }

  /** Printable ASCII of at most 512 characters. Long names are digested; the stored value repeats the name, which is compared. */
  far(entity: string): string {
    const key = this.prefix + encodeURIComponent(entity);
    return key.length <= maxKeyLength ? key : `${this.prefix}#${digest(entity)}`;
  }
}

/** What the keys of all features of a model begin with; to drop them. */
export function featurePrefix(model: string): string {
  return `${encodeURIComponent(model)}/features/`;
}

/** 64 bits as hexadecimal text. Not against malice: whoever must be sure compares what it stands for. */
export function digest(text: string): string {
  let low = 0xdeadbeef;
  let high = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    low = Math.imul(low ^ unit, 2654435761);
    high = Math.imul(high ^ unit, 1597334677);
  }
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  return hex(high) + hex(low);
}

function hex(bits: number): string {
  return (bits >>> 0).toString(16).padStart(8, '0');
}
