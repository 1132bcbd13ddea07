/**
 * An infer request over REST with binary tensors: one JSON head, then the tensors as they are. Large ones are chunks of their own
 * and never copied. Source: Triton's extension binary_tensor_data.
 */
import { oipNames } from '../../core/oip-names.ts';
import { bytesOf } from './tensor-bytes.ts';
import type { InferJob } from './transport.ts';

export interface RestRequest {
  readonly path: string;
  readonly chunks: readonly Uint8Array[];
  readonly headBytes: number;
  readonly totalBytes: number;
}

/** Up to here all is put into one buffer, which is one write instead of several. */
const maxCopiedBytes = 8 * 1024;

/** `timeoutMs`: what the upstream is told of the deadline. */
export function encodeRestRequest(job: InferJob, timeoutMs: number | undefined): RestRequest {
  const raws = job.inputs.map(bytesOf);
  const json = Buffer.from(JSON.stringify(headOf(job, raws, timeoutMs)));
  // Blanks up to a multiple of 8: the upstream can use the tensors where they lie.
  const head = Buffer.alloc((json.length + 7) & ~7, ' ');
  json.copy(head);
  let totalBytes = head.length;
  for (const raw of raws) totalBytes += raw.byteLength;
  const chunks = totalBytes <= maxCopiedBytes ? [Buffer.concat([head, ...raws], totalBytes)] : [head, ...raws];
  return { path: `${modelPath(job.model, job.version)}/infer`, chunks, headBytes: head.length, totalBytes };
}

export function modelPath(model: string, version: string): string {
  const path = `/v2/models/${encodeURIComponent(model)}`;
  return version === '' ? path : `${path}/versions/${encodeURIComponent(version)}`;
}

function headOf(
  { signature, inputs, outputs }: InferJob,
  raws: readonly Uint8Array[],
  timeoutMs: number | undefined,
): object {
  return {
    // Microseconds; servers without the schedule_policy extension do not look at it.
    ...(timeoutMs === undefined ? {} : { parameters: { timeout: Math.max(1, Math.floor(timeoutMs * 1000)) } }),
    inputs: inputs.map(({ datatype, shape }, index) => ({
      name: signature.inputs[index]!.name,
      shape,
      datatype: oipNames[datatype],
      parameters: { binary_data_size: raws[index]!.byteLength },
    })),
    outputs: outputs.map((name) => ({ name, parameters: { binary_data: true } })),
  };
}
