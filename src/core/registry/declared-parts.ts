/**
 * What a `config.pbtxt` adds to a load: its declaration is checked against the real signature, and what stands between clients and
 * the model is worked out. Called by load-version.ts and load-pipeline.ts once the signature is known.
 */
import type { ModelSource } from '../../ports/model-source.ts';
import type { DeclaredSequence, TritonModelConfig } from '../../ports/triton-config.ts';
import { checkDeclared } from '../declared/check-declared.ts';
import { present } from '../declared/presentation.ts';
import { HotpathError } from '../errors.ts';
import type { Declared } from '../runner.ts';
import { planSequences } from '../sequences/sequence-plan.ts';
import type { Signature } from '../tensor.ts';

/** @throws MODEL_FAILED with a sentence about the file, or about a file it names. */
export async function resolveDeclared(
  source: ModelSource,
  model: string,
  triton: TritonModelConfig | undefined,
  signature: Signature,
): Promise<Declared> {
  if (triton === undefined) return {};
  const problem = checkDeclared(triton, signature);
  if (problem !== undefined) throw new HotpathError('MODEL_FAILED', problem);
  const presentation = present(triton, signature);
  const { sequence, maxBatchSize } = triton;
  if (sequence === undefined) return { presentation };
  const files = await readInitialStates(source, model, sequence);
  return { presentation, sequences: planSequences(sequence, signature, maxBatchSize, files) };
}

async function readInitialStates(
  source: ModelSource,
  model: string,
  { states }: DeclaredSequence,
): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const { initialFile } of states) {
    if (initialFile !== undefined) files.set(initialFile, await source.readFile(model, `initial_state/${initialFile}`));
  }
  return files;
}
