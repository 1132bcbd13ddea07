/**
 * Stands before the batcher of a model whose clients see other tensors than the model has: puts inputs into the model's order
 * and shape, and outputs back. Made by runner.ts. Copies no data.
 */
import type { SubmitOptions } from '../batching/batcher.ts';
import type { BatchAnswer } from '../batching/ticket.ts';
import type { Runner } from '../runner.ts';
import type { Tensor } from '../tensor.ts';
import { type Presentation, reshapeTensor } from './presentation.ts';

export class PresentedRunner implements Runner {
  readonly #inner: Runner;
  readonly #presentation: Presentation;

  constructor(inner: Runner, presentation: Presentation) {
    this.#inner = inner;
    this.#presentation = presentation;
  }

  async submit(inputs: readonly Tensor[], options: SubmitOptions): Promise<BatchAnswer> {
    const answer = await this.#inner.submit(toModelInputs(this.#presentation, inputs), options);
    return { ...answer, outputs: toClientOutputs(this.#presentation, answer.outputs) };
  }

  status(): ReturnType<Runner['status']> {
    return this.#inner.status();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

/** In the model's order; holes where the server fills the input. */
export function toModelInputs({ inputs: routes }: Presentation, inputs: readonly Tensor[]): Tensor[] {
  const tensors = new Array<Tensor>(routes.length);
  for (let index = 0; index < routes.length; index++) {
    const { source, reshape } = routes[index]!;
    if (source >= 0) tensors[index] = reshapeTensor(inputs[source]!, reshape);
  }
  return tensors;
}

export function toClientOutputs({ outputs: routes }: Presentation, outputs: readonly Tensor[]): Tensor[] {
  return routes.map(({ source, reshape }) => reshapeTensor(outputs[source]!, reshape));
}
