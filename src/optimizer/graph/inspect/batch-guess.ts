/**
 * Whether rows of several requests can probably be joined, from the signature alone. Called by inspect. The server proves it at
 * load by running the model; this only reads.
 */
import type { Graph } from '../graph.ts';
import type { ValueEntry } from '../value-entry.ts';

export interface BatchGuess {
  readonly likely: boolean;
  readonly reason: string;
}

const proof = 'The server proves it when it loads the model.';

export function guessBatching(graph: Graph): BatchGuess {
  const inputs = graph.inputs.filter(({ name }) => !graph.isInitializer(name));
  const values = [...inputs, ...graph.outputs.filter(({ type }) => type.kind === 'tensor')];
  if (inputs.length === 0) return { likely: false, reason: 'No: the model has no inputs.' };
  const obstacle = values.map(obstacleOf).find((found) => found !== undefined);
  if (obstacle === undefined)
    return { likely: true, reason: `Probably: axis 0 of all inputs and outputs is variable. ${proof}` };
  const shared = sharedSymbol(values);
  if (shared === undefined) return { likely: false, reason: `No: ${obstacle}` };
  const places = values.map(({ name, type }) => `axis ${type.dims!.indexOf(shared)} of ${name}`);
  return { likely: false, reason: `No: ${obstacle} The size "${shared}" is ${places.join(', ')}.` };
}

function obstacleOf({ name, type }: ValueEntry): string | undefined {
  if (type.kind !== 'tensor') return `"${name}" is no tensor.`;
  if (type.dims === undefined) return `the shape of "${name}" is not stated.`;
  const [first] = type.dims;
  if (first === undefined) return `"${name}" is a scalar.`;
  return typeof first === 'number' ? `axis 0 of "${name}" is fixed at ${first}.` : undefined;
}

/** A named size that every value has, wherever: a batch on another axis than 0. */
function sharedSymbol(values: readonly ValueEntry[]): string | undefined {
  const [first, ...others] = values;
  return first?.type.dims?.find(
    (dim): dim is string =>
      typeof dim === 'string' && dim !== '' && others.every(({ type }) => type.dims?.includes(dim) === true),
  );
}
