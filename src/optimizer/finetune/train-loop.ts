/**
 * Runs training steps: shuffled batches, a learning rate that rises and then falls to zero along a half cosine, and a look at held-out rows now
 * and then; the best weights seen there win, those of the start included, so training never makes the model worse on them.
 * Called by fine-tune.ts, distil.ts and train-mlp.ts. Deterministic by the given random numbers.
 */
import type { Tensor } from '../../core/tensor.ts';
import type { Feeds, OpenModel, PassContext } from '../pass.ts';
import { throwIfCancelled } from '../prune/cancel.ts';
import { correctedRate } from './adam.ts';
import { onlyInputs } from './shapes.ts';
import type { StepGraph } from './step-graph.ts';

export interface TrainPlan {
  readonly steps: number;
  readonly learningRate: number;
  /** Share of each weight per unit of learning rate. */
  readonly weightDecay: number;
  /** Steps between two looks at the held-out rows. */
  readonly evaluateEvery: number;
  /** Looks without a better loss after which training ends. */
  readonly patience: number;
  /** @default 'cosine' */
  readonly schedule?: 'cosine' | 'constant';
}

/** Batches of the step's size. */
export interface Batches {
  /** Feeds and `targets` of the next training batch. */
  next(): { readonly feeds: Feeds; readonly targets: Float32Array<ArrayBuffer> };
  /** All held-out batches, each time the same; none: the loss of the training batches decides nothing. */
  heldOut(): Iterable<{ readonly feeds: Feeds; readonly targets: Float32Array<ArrayBuffer> }>;
}

export interface Trained {
  /** Best values by name of the weight. */
  readonly weights: ReadonlyMap<string, Float32Array<ArrayBuffer>>;
  readonly steps: number;
  readonly stoppedEarly: boolean;
  /** Held-out loss at the start and at its best; NaN without held-out rows. */
  readonly lossBefore: number;
  readonly lossAfter: number;
  /** Mean loss of the training batches between two looks. */
  readonly history: readonly { readonly step: number; readonly training: number; readonly heldOut: number }[];
}

type Values = Record<string, Tensor>;

/** @throws CANCELLED between steps */
export async function trainSteps(
  step: StepGraph,
  start: ReadonlyMap<string, Float32Array>,
  batches: Batches,
  plan: TrainPlan,
  context: Pick<PassContext, 'runner' | 'signal' | 'onProgress'>,
): Promise<Trained> {
  const train = await context.runner.open(step.train);
  try {
    const evaluate = await context.runner.open(step.evaluate);
    try {
      return await new Training(step, plan, batches, train, evaluate, start).run(context);
    } finally {
      await evaluate.close();
    }
  } finally {
    await train.close();
  }
}

class Training {
  readonly #step: StepGraph;
  readonly #plan: TrainPlan;
  readonly #batches: Batches;
  readonly #train: OpenModel;
  readonly #evaluate: OpenModel;
  #values: Values;
  #best: Values;
  #bestLoss = Number.NaN;
  readonly #fetches: readonly string[];
  readonly #history: { step: number; training: number; heldOut: number }[] = [];

  constructor(
    step: StepGraph,
    plan: TrainPlan,
    batches: Batches,
    train: OpenModel,
    evaluate: OpenModel,
    start: ReadonlyMap<string, Float32Array>,
  ) {
    this.#step = step;
    this.#plan = plan;
    this.#batches = batches;
    this.#train = train;
    this.#evaluate = evaluate;
    this.#values = startValues(step, start);
    this.#best = this.#values;
    const updates = step.parameters.flatMap(({ output }) => [output.weight, output.mean, output.square]);
    this.#fetches = [step.loss, ...updates];
  }

  async run({ signal, onProgress }: Pick<PassContext, 'signal' | 'onProgress'>): Promise<Trained> {
    const { steps, evaluateEvery, patience } = this.#plan;
    const lossBefore = await this.#heldOutLoss();
    this.#bestLoss = lossBefore;
    let [sum, counted, looksSinceBest, done] = [0, 0, 0, 0];
    while (done < steps && looksSinceBest < patience) {
      throwIfCancelled(signal);
      sum += await this.#oneStep(done);
      counted++;
      done++;
      if (done % evaluateEvery !== 0 && done !== steps) continue;
      looksSinceBest = (await this.#look(done, sum / counted)) ? 0 : looksSinceBest + 1;
      [sum, counted] = [0, 0];
      onProgress(done / steps, `step ${done} of ${steps}`);
    }
    return {
      weights: new Map(this.#step.parameters.map(({ name, input }) => [name, floatsOf(this.#best[input.weight]!)])),
      steps: done,
      stoppedEarly: done < steps,
      lossBefore,
      lossAfter: this.#bestLoss,
      history: this.#history,
    };
  }

  async #oneStep(done: number): Promise<number> {
    const { learningRate, weightDecay, steps, schedule = 'cosine' } = this.#plan;
    const falling = schedule === 'cosine' ? 0.5 * (1 + Math.cos((Math.PI * done) / steps)) : 1;
    // Adam's first steps move every weight by the full rate, whatever its gradient.
    const rising = Math.min(1, (done + 1) / Math.min(100, Math.ceil(steps / 10)));
    const rate = learningRate * falling * rising;
    const { feeds, targets } = this.#batches.next();
    const step = this.#step;
    const results = await this.#train.run(
      onlyInputs(
        {
          ...feeds,
          ...this.#values,
          [step.targets]: targetTensor(step, targets),
          [step.rate]: scalar(correctedRate(rate, done + 1)),
          ...(step.decay === undefined ? {} : { [step.decay]: scalar(rate * weightDecay) }),
        },
        this.#train.inputs,
      ),
      this.#fetches,
    );
    const next: Values = {};
    for (const { input, output } of this.#step.parameters) {
      for (const part of ['weight', 'mean', 'square'] as const) next[input[part]] = results[output[part]]!;
    }
    this.#values = next;
    return floatsOf(results[step.loss]!)[0]!;
  }

  /** @returns whether the weights are the best so far */
  async #look(step: number, training: number): Promise<boolean> {
    const heldOut = await this.#heldOutLoss();
    this.#history.push({ step, training, heldOut });
    if (!Number.isNaN(this.#bestLoss) && !(heldOut < this.#bestLoss)) return false;
    // Without held-out rows the last finite weights are the best.
    if (Number.isNaN(this.#bestLoss) && !Number.isFinite(training)) return false;
    this.#best = this.#values;
    this.#bestLoss = heldOut;
    return true;
  }

  async #heldOutLoss(): Promise<number> {
    let [sum, count] = [0, 0];
    for (const { feeds, targets } of this.#batches.heldOut()) {
      const inputs = { ...feeds, ...this.#values, [this.#step.targets]: targetTensor(this.#step, targets) };
      const results = await this.#evaluate.run(onlyInputs(inputs, this.#evaluate.inputs), [this.#step.loss]);
      sum += floatsOf(results[this.#step.loss]!)[0]!;
      count++;
    }
    return count === 0 ? Number.NaN : sum / count;
  }
}

function startValues(step: StepGraph, start: ReadonlyMap<string, Float32Array>): Values {
  const values: Values = {};
  for (const { name, dims, input } of step.parameters) {
    const weights = start.get(name)!;
    values[input.weight] = { datatype: 'float32', shape: dims, data: Float32Array.from(weights) };
    for (const part of ['mean', 'square'] as const) {
      values[input[part]] = { datatype: 'float32', shape: dims, data: new Float32Array(weights.length) };
    }
  }
  return values;
}

function targetTensor(step: StepGraph, data: Float32Array<ArrayBuffer>): Tensor {
  return { datatype: 'float32', shape: step.targetShape, data };
}

const scalar = (value: number): Tensor => ({ datatype: 'float32', shape: [], data: Float32Array.of(value) });
const floatsOf = (tensor: Tensor): Float32Array<ArrayBuffer> => tensor.data as Float32Array<ArrayBuffer>;
