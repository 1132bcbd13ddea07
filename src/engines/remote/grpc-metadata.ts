/** The small answers of the gRPC service: readiness, a model's metadata, and what of Triton's ModelConfig matters here. */
import type { Signature, TensorSpec } from '../../core/tensor.ts';
import { ProtoReader } from './proto-reader.ts';
import { signatureOf } from './signature.ts';

/** ServerReadyResponse, ModelReadyResponse. */
export function readReadyAnswer(message: Buffer): boolean {
  const reader = new ProtoReader(message);
  let ready = false;
  while (reader.next()) {
    if (reader.field === 1) ready = reader.number() === 1;
    else reader.skip();
  }
  return ready;
}

/** ModelMetadataResponse. @throws UpstreamFailure, MODEL_FAILED for a datatype that no tensor here has. */
export function readMetadataAnswer(message: Buffer): Signature {
  const reader = new ProtoReader(message);
  const inputs: RawSpec[] = [];
  const outputs: RawSpec[] = [];
  while (reader.next()) {
    if (reader.field === 4) inputs.push(readSpec(reader.bytes()));
    else if (reader.field === 5) outputs.push(readSpec(reader.bytes()));
    else reader.skip();
  }
  return signatureOf(inputs, outputs);
}

/** ModelConfigResponse: `config.max_batch_size`. */
export function readConfigAnswer(message: Buffer): number {
  const outer = new ProtoReader(message);
  let maxBatchSize = 0;
  while (outer.next()) {
    if (outer.field !== 1) {
      outer.skip();
      continue;
    }
    const config = new ProtoReader(outer.bytes());
    while (config.next()) {
      if (config.field === 4) maxBatchSize = config.number();
      else config.skip();
    }
  }
  return maxBatchSize;
}

type RawSpec = Omit<TensorSpec, 'datatype'> & { readonly datatype: string };

function readSpec(bytes: Buffer): RawSpec {
  const reader = new ProtoReader(bytes);
  let name = '';
  let datatype = '';
  const shape: number[] = [];
  while (reader.next()) {
    if (reader.field === 1) name = reader.text();
    else if (reader.field === 2) datatype = reader.text();
    else if (reader.field === 3) reader.numbersInto(shape);
    else reader.skip();
  }
  return { name, datatype, shape };
}
