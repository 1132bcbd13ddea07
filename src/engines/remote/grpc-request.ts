/**
 * A ModelInferRequest as gRPC frames it, with raw contents. Large tensors are not copied: they go to the socket as chunks of their
 * own between the parts written here. Source: Open Inference Protocol, inference_grpc.md.
 */
import { oipNames } from '../../core/oip-names.ts';
import { ProtoWriter } from './proto-writer.ts';
import { bytesOf } from './tensor-bytes.ts';
import type { InferJob } from './transport.ts';

/** Field numbers of ModelInferRequest and of its inputs and outputs. */
const request = { model: 1, version: 2, inputs: 5, outputs: 6, raw: 7 } as const;
const tensor = { name: 1, datatype: 2, shape: 3 } as const;

export const prefixBytes = 5;
/** Up to here a copy is cheaper than one more chunk in the socket's queue. */
const maxCopiedBytes = 8 * 1024;

/** The whole message, prefix included, in as few chunks as it can be without copying large tensors. */
export function encodeInferRequest(job: InferJob): Uint8Array[] {
  const raws = job.inputs.map(bytesOf);
  let writer = writeHead(job, raws);
  const chunks: Uint8Array[] = [];
  let total = 0;
  const flush = (next: Uint8Array): void => {
    const part = writer.finish();
    chunks.push(part, next);
    total += part.length + next.length;
    writer = new ProtoWriter(0, 16);
  };
  for (const raw of raws) {
    writer.bytesHead(request.raw, raw.byteLength);
    if (raw.byteLength <= maxCopiedBytes) writer.bytes(raw);
    else flush(raw);
  }
  if (writer.length > 0) {
    chunks.push(writer.finish());
    total += writer.length;
  }
  setPrefix(chunks[0]! as Buffer, total - prefixBytes);
  return chunks;
}

function writeHead({ model, version, signature, inputs, outputs }: InferJob, raws: readonly Uint8Array[]): ProtoWriter {
  let small = 0;
  for (const raw of raws) if (raw.byteLength <= maxCopiedBytes) small += raw.byteLength + 8;
  const writer = new ProtoWriter(prefixBytes, 64 + 64 * (inputs.length + outputs.length) + small);
  writer.text(request.model, model);
  writer.text(request.version, version);
  for (let index = 0; index < inputs.length; index++) {
    const { datatype, shape } = inputs[index]!;
    const start = writer.open(request.inputs);
    writer.text(tensor.name, signature.inputs[index]!.name);
    writer.text(tensor.datatype, oipNames[datatype]);
    writer.packed(tensor.shape, shape);
    writer.close(start);
  }
  for (const name of outputs) {
    const start = writer.open(request.outputs);
    writer.text(tensor.name, name);
    writer.close(start);
  }
  return writer;
}

/** A request of at most two strings, such as ModelMetadataRequest {name, version}; [] for an empty one. */
export function encodeTexts(...texts: readonly string[]): Uint8Array[] {
  const writer = new ProtoWriter(prefixBytes, 64);
  for (const [index, text] of texts.entries()) writer.text(index + 1, text);
  const message = writer.finish();
  setPrefix(message, message.length - prefixBytes);
  return [message];
}

/** Not compressed, and so many bytes. */
function setPrefix(chunk: Buffer, length: number): void {
  chunk[0] = 0;
  chunk.writeUInt32BE(length, 1);
}
