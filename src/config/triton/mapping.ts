/**
 * What the mapping of a config.pbtxt produces: a ModelConfig under construction, and the sentences about fields that have no
 * meaning here. Filled by map-execution.ts and map-scheduling.ts for to-model-config.ts.
 */
import type { ModelConfig } from '../../ports/model-source.ts';

export interface Mapping {
  readonly model: { -readonly [Name in keyof ModelConfig]: ModelConfig[Name] };
  readonly notes: string[];
}

/** Adds a sentence that begins with the field's path. */
export function note({ notes }: Mapping, field: string, rest: string): void {
  notes.push(`${field} ${rest}`);
}

/** The value inside the limits of ModelConfig, with a note when it had to be cut. */
export function withinLimits(mapping: Mapping, field: string, value: number, min: number, max: number): number {
  if (value >= min && value <= max) return value;
  const used = value < min ? min : max;
  note(mapping, field, `is ${value}; ${used} is used, the ${value < min ? 'least' : 'most'} there can be.`);
  return used;
}
