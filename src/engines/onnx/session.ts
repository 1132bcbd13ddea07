/**
 * One ONNX Runtime session: opened from a file, described as a signature, run on tensors. The only file that imports the
 * runtime. Called inside worker threads and probe children, never on the thread that answers requests: run() blocks.
 */
import * as ort from 'onnxruntime-node';
import { HotpathError } from '../../core/errors.ts';
import type { Datatype, Signature, Tensor, TensorSpec } from '../../core/tensor.ts';
import { datatypes } from '../../core/tensor.ts';
import type { EngineSpec, ExecutionProvider } from '../../ports/engine.ts';
import { explainProviderError, missingProvider, providersToTry, runtimeProviders } from './execution-providers.ts';
import { fromRuntimeValue, toRuntimeValue } from './onnx-tensors.ts';
import { cleanRuntimeMessage } from './runtime-message.ts';

// Before the first session: the environment's logger prints warnings to the terminal otherwise.
ort.env.logLevel = 'fatal';

/** What of an EngineSpec a session needs; plain data, so that it crosses to threads and processes. */
export type SessionSpec = Pick<
  EngineSpec,
  'path' | 'executionProviders' | 'fallbackToCpu' | 'intraOpThreads' | 'sessionOptions'
>;

export interface Session {
  readonly signature: Signature;
  /** Names of the variable dimensions of each input, by axis; '' where the model gives none, undefined where fixed. */
  readonly symbols: readonly (readonly (string | undefined)[])[];
  readonly executionProvider: ExecutionProvider;
  /** Why a provider of the list was passed over, and which outputs are never fetched. */
  readonly notes: readonly string[];
  /**
   * Runs once; inputs in signature order, outputs in the order of `outputs` or the signature.
   * @throws ENGINE_FAILED with the runtime's sentence.
   */
  run(inputs: readonly Tensor[], outputs?: readonly string[]): Promise<Tensor[]>;
  release(): Promise<void>;
}

/**
 * Brings the native library in, which otherwise happens with the first session (17 ms, 15 MB), so that a model's own
 * memory can be told from the runtime's.
 */
export async function warmUpRuntime(): Promise<void> {
  const noModel = new Uint8Array(1);
  await ort.InferenceSession.create(noModel, { logSeverityLevel: 4 }).catch(() => undefined);
}

/** @throws MODEL_FAILED with the reason. */
export async function openSession(spec: SessionSpec): Promise<Session> {
  const refusals: string[] = [];
  for (const provider of providersToTry(spec.executionProviders, spec.fallbackToCpu)) {
    const missing = missingProvider(provider);
    if (missing !== undefined) {
      refusals.push(missing);
      continue;
    }
    try {
      const native = await ort.InferenceSession.create(spec.path, sessionOptions(spec, provider));
      return describe(native, provider, spec.path, refusals);
    } catch (error) {
      if (error instanceof HotpathError) throw error;
      const message = cleanRuntimeMessage(error, spec.path);
      const explained = explainProviderError(provider, message);
      if (explained === undefined) throw new HotpathError('MODEL_FAILED', `The runtime refused the model: ${message}`);
      refusals.push(explained);
    }
  }
  throw new HotpathError('MODEL_FAILED', `No execution provider can be had: ${refusals.join('; ')}.`);
}

/** Ours under the user's: what `sessionOptions` says wins, except the provider. */
function sessionOptions(spec: SessionSpec, provider: ExecutionProvider): ort.InferenceSession.SessionOptions {
  const own = (spec.sessionOptions ?? {}) as ort.InferenceSession.SessionOptions;
  // Spinning pools disturb each other and the HTTP loop; with one thread there is no pool.
  const spinning = spec.intraOpThreads > 1 ? { 'session.intra_op.allow_spinning': '0' } : {};
  return {
    intraOpNumThreads: spec.intraOpThreads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: 4,
    ...own,
    extra: { ...spinning, ...own.extra },
    executionProviders: runtimeProviders(provider),
  };
}

function describe(
  native: ort.InferenceSession,
  executionProvider: ExecutionProvider,
  path: string,
  refusals: readonly string[],
): Session {
  const { signature, notes } = readSignature(native);
  const names = signature.outputs.map((output) => output.name);
  return {
    signature,
    symbols: native.inputMetadata.map(readSymbols),
    executionProvider,
    notes: [...refusals.map((refusal) => `${refusal}; running on ${executionProvider}`), ...notes],
    run: (inputs, outputs = names) => run(native, signature.inputs, path, inputs, outputs),
    release: () => native.release(),
  };
}

async function run(
  native: ort.InferenceSession,
  specs: readonly TensorSpec[],
  path: string,
  inputs: readonly Tensor[],
  outputs: readonly string[],
): Promise<Tensor[]> {
  if (inputs.length !== specs.length) {
    throw new HotpathError('ENGINE_FAILED', `The model takes ${specs.length} inputs and got ${inputs.length}.`);
  }
  try {
    const feeds: Record<string, ort.OnnxValue> = {};
    for (let index = 0; index < specs.length; index++) {
      const { name } = specs[index]!;
      feeds[name] = toRuntimeValue(name, inputs[index]!);
    }
    const results = await native.run(feeds, outputs);
    return outputs.map((name) => fromRuntimeValue(results[name] as ort.Tensor));
  } catch (error) {
    if (error instanceof HotpathError) throw error;
    throw new HotpathError('ENGINE_FAILED', `The model refused its input: ${cleanRuntimeMessage(error, path)}`);
  }
}

/** @throws MODEL_FAILED when an input is no tensor we can make, or no output is one we can fetch. */
function readSignature(native: ort.InferenceSession): { signature: Signature; notes: string[] } {
  const inputs = native.inputMetadata.map((input) => {
    const spec = readSpec(input);
    if (spec !== undefined) return spec;
    const kind = input.isTensor ? `datatype ${input.type}` : 'no tensor';
    throw new HotpathError('MODEL_FAILED', `Input ${input.name} is ${kind}, which cannot be sent to a model here.`);
  });
  const outputs: TensorSpec[] = [];
  const skippedOutputs: string[] = [];
  for (const output of native.outputMetadata) {
    const spec = readSpec(output);
    if (spec === undefined) skippedOutputs.push(output.name);
    else outputs.push(spec);
  }
  if (outputs.length === 0) {
    throw new HotpathError('MODEL_FAILED', 'No output of the model is a tensor, so there is nothing to answer with.');
  }
  const notes = skippedOutputs.map((name) => `Output ${name} is no tensor of a known datatype and is never fetched.`);
  return { signature: { inputs, outputs, skippedOutputs }, notes };
}

/** Undefined for sequences, maps and optionals, and for datatypes outside ours (4-bit ones abort the process when fetched). */
function readSpec(metadata: ort.InferenceSession.ValueMetadata): TensorSpec | undefined {
  if (!metadata.isTensor || !(datatypes as readonly string[]).includes(metadata.type)) return undefined;
  const shape = metadata.shape.map((dim) => (typeof dim === 'number' ? dim : -1));
  return { name: metadata.name, datatype: metadata.type as Datatype, shape };
}

function readSymbols(metadata: ort.InferenceSession.ValueMetadata): (string | undefined)[] {
  if (!metadata.isTensor) return [];
  return metadata.shape.map((dim) => (typeof dim === 'number' ? undefined : dim));
}
