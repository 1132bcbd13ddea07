/** A row of zeros for a model without data, enough to find the shapes of its values. Called by passes that got no calibration data. */
import { invalidInput } from '../../core/errors.ts';
import type { Datatype, Tensor } from '../../core/tensor.ts';
import { allocate, datatypes, elementCount } from '../../core/tensor.ts';
import type { Graph } from '../graph/graph.ts';
import type { Feeds } from '../pass.ts';

/** Sizes that the model leaves open are 1. @throws INVALID_INPUT for an input that is no tensor of a known type */
export function syntheticRow(graph: Graph): Feeds {
  const needed = graph.inputs.filter(({ name }) => !graph.isInitializer(name));
  return Object.fromEntries(
    needed.map(({ name, type }): [string, Tensor] => {
      const { datatype, dims } = type;
      if (dims === undefined || !datatypes.includes(datatype as Datatype)) {
        throw invalidInput(name, `Without data nothing is known of the input "${name}".`);
      }
      const shape = dims.map((dim) => (typeof dim === 'number' && dim > 0 ? dim : 1));
      return [
        name,
        { datatype: datatype as Datatype, shape, data: allocate(datatype as Datatype, elementCount(shape)) },
      ];
    }),
  );
}
