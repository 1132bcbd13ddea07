/**
 * One prediction with made-up input when a remote model is loaded: it tells how long a call takes, which requests are admitted by,
 * and wakes an upstream that loads on demand. Called by remote-engine.ts; a failure is a note, for the made-up input may not suit.
 */
import { allocate, elementBytes, elementCount, type Signature, type Tensor } from '../../core/tensor.ts';
import type { Clock } from '../../ports/clock.ts';
import type { InferJob, Transport } from './transport.ts';
import { toUpstreamFailure } from './upstream-failure.ts';

export interface Trial {
  /** Milliseconds of one call with one row; undefined when it failed. */
  readonly singleRunMs: number | undefined;
  readonly notes: readonly string[];
}

/** Variable dimensions become 1, so more than this is a model of unusual size. */
const maxInputBytes = 64 * 2 ** 20;
/** The first call also pays for the connection; a longer one is too dear to repeat. */
const repeatBelowMs = 250;

export async function runTrial(
  transport: Transport,
  names: Pick<InferJob, 'model' | 'version'>,
  signature: Signature,
  clock: Clock,
  timeoutMs: number,
): Promise<Trial> {
  const inputs = trialInputs(signature);
  if (inputs === undefined) return { singleRunMs: undefined, notes: [] };
  const job: InferJob = { ...names, signature, inputs, outputs: signature.outputs.map(({ name }) => name) };
  const time = async (): Promise<number> => {
    const startedMs = clock.now();
    await transport.infer(job, { timeoutMs });
    return clock.now() - startedMs;
  };
  try {
    const first = await time();
    return { singleRunMs: first < repeatBelowMs ? Math.min(first, await time()) : first, notes: [] };
  } catch (error) {
    const { message } = toUpstreamFailure(error);
    return {
      singleRunMs: undefined,
      notes: [`A trial prediction failed, so its duration is learned later: ${message}`],
    };
  }
}

/** Zeros and empty strings of one row. */
function trialInputs({ inputs }: Signature): readonly Tensor[] | undefined {
  let bytes = 0;
  const shapes = inputs.map(({ shape }) => shape.map((dim) => (dim < 0 ? 1 : dim)));
  for (const [index, shape] of shapes.entries())
    bytes += elementCount(shape) * (elementBytes[inputs[index]!.datatype] || 16);
  if (bytes > maxInputBytes) return undefined;
  return inputs.map(({ datatype }, index) => {
    const shape = shapes[index]!;
    return { datatype, shape, data: allocate(datatype, elementCount(shape)) };
  });
}
