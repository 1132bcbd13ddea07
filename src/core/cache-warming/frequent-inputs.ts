/**
 * The most frequent inputs of the prediction log, as inputs of a warm-up. Called by the composition root. They are read once, before
 * the warm-up begins; each is decoded when its turn comes.
 */
import type { FrequentInput, PredictionStore } from '../../ports/prediction-store.ts';
import { invalidInput } from '../errors.ts';
import { decodeNamedTensors } from '../predictions/named-tensors.ts';
import { fitsPattern, type NamedTensor, type Tensor, type TensorSpec } from '../tensor.ts';
import type { ModelView } from '../types.ts';
import type { WarmItem } from './cache-warmer.ts';

export interface FrequentInputsRequest {
  readonly model: string;
  readonly version: string;
  /** Unix milliseconds. */
  readonly fromMs: number;
  readonly limit: number;
}

export async function frequentInputs(
  store: Pick<PredictionStore, 'frequentInputs' | 'list'>,
  request: FrequentInputsRequest,
): Promise<readonly WarmItem[]> {
  const { model, version } = request;
  const found = await recordedInputs(store, request);
  return found.map(({ inputs }, index) => ({
    name: `frequent input ${index + 1}`,
    maySkip: true,
    makeCall: () => ({ model, version, decode: (view: ModelView) => decodeFor(view, inputs) }),
  }));
}

/** As they lie in the log, most frequent first. Called by background tasks too. */
export async function recordedInputs(
  store: Pick<PredictionStore, 'frequentInputs' | 'list'>,
  request: FrequentInputsRequest,
): Promise<readonly FrequentInput[]> {
  const { model, version, fromMs, limit } = request;
  const own = await store.frequentInputs(model, version, fromMs, limit);
  return own.length > 0 ? own : ofLastVersion(store, request);
}

/** A version that was never asked: its clients are those of the one before, most likely with the same inputs. */
async function ofLastVersion(
  store: Pick<PredictionStore, 'frequentInputs' | 'list'>,
  { model, version, fromMs, limit }: FrequentInputsRequest,
): Promise<readonly FrequentInput[]> {
  const [newest] = await store.list({ model, status: 'OK', fromMs }, 1);
  if (newest === undefined || newest.version === version) return [];
  return store.frequentInputs(model, newest.version, fromMs, limit);
}

/** By name, so that a model whose inputs were put into another order gets the right ones. @throws INVALID_INPUT when they do not fit. */
function decodeFor({ signature: { inputs }, batchable }: ModelView, bytes: Uint8Array): readonly Tensor[] {
  const recorded = decodeNamedTensors(bytes) ?? [];
  const tensors = inputs.flatMap((spec) => recorded.find((tensor) => fits(tensor, spec)) ?? []);
  const rows = tensors[0]?.shape[0];
  const together = !batchable || (rows !== 0 && tensors.every(({ shape }) => shape[0] === rows));
  if (recorded.length === inputs.length && tensors.length === inputs.length && together) return tensors;
  throw invalidInput('inputs', 'The recorded input does not fit the model.');
}

function fits({ name, datatype, shape }: NamedTensor, spec: TensorSpec): boolean {
  return name === spec.name && datatype === spec.datatype && fitsPattern(shape, spec.shape);
}
