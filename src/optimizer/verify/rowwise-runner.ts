/**
 * Lets models that take exactly one row be run on many: row by row, outputs joined along axis 0. Wraps the runner that passes and verify
 * get, so that none of them needs to know. Outputs without a row axis are those of the last row.
 */
import type { Tensor } from '../../core/tensor.ts';
import { fitTogether, joinTensors, sliceTensor } from '../data/rows.ts';
import type { Feeds, ModelRunner, OpenModel } from '../pass.ts';

export class RowwiseRunner implements ModelRunner {
  readonly #inner: ModelRunner;

  constructor(inner: ModelRunner) {
    this.#inner = inner;
  }

  async open(...args: Parameters<ModelRunner['open']>): Promise<OpenModel> {
    const model = await this.#inner.open(...args);
    const single = model.inputs.filter(({ shape }) => shape[0] === 1).map(({ name }) => name);
    if (single.length === 0) return model;
    return {
      inputs: model.inputs,
      outputs: model.outputs,
      close: () => model.close(),
      run: (feeds, fetches) => runEach(model, single, feeds, fetches),
    };
  }
}

async function runEach(
  model: OpenModel,
  single: readonly string[],
  feeds: Feeds,
  fetches: readonly string[] | undefined,
): Promise<Readonly<Record<string, Tensor>>> {
  const rows = Math.max(1, ...single.map((name) => feeds[name]?.shape[0] ?? 1));
  if (rows === 1) return model.run(feeds, fetches);
  const answers: Readonly<Record<string, Tensor>>[] = [];
  for (let row = 0; row < rows; row++) {
    const one = Object.entries(feeds).map(([name, tensor]) => {
      return [name, tensor.shape[0] === rows ? sliceTensor(tensor, row, 1) : tensor];
    });
    answers.push(await model.run(Object.fromEntries(one), fetches));
  }
  const names = Object.keys(answers[0]!);
  return Object.fromEntries(
    names.map((name) => {
      const parts = answers.map((answer) => answer[name]!);
      return [name, fitTogether(parts) ? joinTensors(parts) : parts.at(-1)!];
    }),
  );
}
