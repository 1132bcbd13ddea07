/** What infer() tells the prediction log of a request, answered or failed. */
import { toHotpathError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import type { InferCall, InferResponse, ModelView } from '../types.ts';
import type { PredictionFacts } from './prediction-recorder.ts';

/** `untilMs`: how long the answer may be held back. */
export function answered(
  { model, outputs, cache }: InferResponse,
  { caller }: InferCall,
  inputs: readonly Tensor[],
  durationMs: number,
  untilMs: number,
): PredictionFacts {
  return {
    model,
    caller: caller?.id ?? '',
    rows: rowsOf(model, inputs),
    status: 'OK',
    durationMs,
    cache: cache ?? '',
    inputs,
    outputs,
    holdUntilMs: untilMs,
  };
}

/** `inputs` are undefined when they could not be read. */
export function failed(
  model: ModelView,
  { caller }: InferCall,
  inputs: readonly Tensor[] | undefined,
  durationMs: number,
  error: unknown,
): PredictionFacts {
  return {
    model,
    caller: caller?.id ?? '',
    rows: inputs === undefined ? 0 : rowsOf(model, inputs),
    status: toHotpathError(error).code,
    durationMs,
    cache: '',
    inputs,
    outputs: undefined,
    holdUntilMs: undefined,
  };
}

function rowsOf({ batchable }: ModelView, inputs: readonly Tensor[]): number {
  return batchable ? (inputs[0]?.shape[0] ?? 0) : 1;
}
