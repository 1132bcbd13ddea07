/**
 * Reads an infer answer over REST as its bytes arrive: the JSON head first, then each binary output straight into a buffer of its
 * own, which then is the tensor. Outputs in JSON are taken too, for servers without the extension. Made once per call.
 */

import { datatypeOf } from '../../core/oip-names.ts';
import { allocate, elementCount, type Tensor } from '../../core/tensor.ts';
import { arrangeOutputs, type NamedOutput } from './outputs.ts';
import { tensorFromBytes, unfilled } from './tensor-bytes.ts';
import type { InferJob } from './transport.ts';
import { brokenAnswer } from './upstream-failure.ts';

interface WrittenOutput {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly parameters?: { readonly binary_data_size?: number };
  readonly data?: readonly unknown[];
}

/** Memory is claimed before the bytes are there: not for what no machine has. */
const maxOutputBytes = 8 * 2 ** 30;

export class RestAnswer {
  /** Undefined: everything is JSON. */
  readonly #headBytes: number | undefined;
  readonly #head: Buffer[] = [];
  #headLeft: number;
  #outputs: readonly WrittenOutput[] = [];
  /** One per output with binary data, in their order. */
  #targets: Uint8Array<ArrayBuffer>[] = [];
  #target = 0;
  #filled = 0;

  /** @param header the answer's Inference-Header-Content-Length */
  constructor(header: string | undefined) {
    this.#headBytes = header === undefined || !/^\d{1,9}$/.test(header) ? undefined : Number(header);
    this.#headLeft = this.#headBytes ?? Number.POSITIVE_INFINITY;
  }

  /** @throws UpstreamFailure. */
  push(chunk: Buffer): void {
    let pos = 0;
    if (this.#headLeft > 0) {
      pos = Math.min(this.#headLeft, chunk.length);
      this.#head.push(pos === chunk.length ? chunk : chunk.subarray(0, pos));
      this.#headLeft -= pos;
      if (this.#headLeft > 0) return;
      this.#readHead();
    }
    while (pos < chunk.length) pos = this.#fill(chunk, pos);
  }

  /** @throws UpstreamFailure when the answer is not whole or does not fit the job. */
  finish({ signature, outputs }: InferJob): readonly Tensor[] {
    if (this.#headBytes === undefined) this.#readHead();
    else if (this.#headLeft > 0) throw brokenAnswer('it is cut off');
    this.#skipFull();
    if (this.#target < this.#targets.length) throw brokenAnswer('it is cut off');
    let next = 0;
    const named = this.#outputs.map((output) =>
      output.parameters?.binary_data_size === undefined
        ? { name: output.name, tensor: fromJson(output) }
        : fromBinary(output, this.#targets[next++]!),
    );
    return arrangeOutputs(signature, outputs, named);
  }

  #readHead(): void {
    const [first] = this.#head;
    const text = (this.#head.length === 1 ? first! : Buffer.concat(this.#head)).toString('utf8');
    this.#outputs = parseOutputs(text);
    this.#targets = this.#outputs
      .map(({ parameters }) => parameters?.binary_data_size)
      .filter((size) => size !== undefined)
      .map(unfilled);
    this.#skipFull();
  }

  #fill(chunk: Buffer, pos: number): number {
    const target = this.#targets[this.#target];
    if (target === undefined) throw brokenAnswer('it is longer than it says');
    const count = Math.min(target.length - this.#filled, chunk.length - pos);
    target.set(chunk.subarray(pos, pos + count), this.#filled);
    this.#filled += count;
    this.#skipFull();
    return pos + count;
  }

  #skipFull(): void {
    while (this.#target < this.#targets.length && this.#filled === this.#targets[this.#target]!.length) {
      this.#target++;
      this.#filled = 0;
    }
  }
}

function parseOutputs(text: string): readonly WrittenOutput[] {
  let parsed: { outputs?: unknown } | null;
  try {
    parsed = JSON.parse(text) as { outputs?: unknown } | null;
  } catch (error) {
    throw brokenAnswer('it is no JSON', error);
  }
  const outputs = parsed?.outputs;
  if (!Array.isArray(outputs)) throw brokenAnswer('it has no outputs');
  for (const output of outputs) checkWritten(output as Partial<WrittenOutput> | null);
  return outputs as WrittenOutput[];
}

function checkWritten(output: Partial<WrittenOutput> | null): void {
  const { name, datatype, shape, parameters, data = [] } = output ?? {};
  if (typeof name !== 'string' || typeof datatype !== 'string' || !Array.isArray(shape) || !Array.isArray(data)) {
    throw brokenAnswer('an output has no name, datatype or shape');
  }
  const size = parameters?.binary_data_size ?? 0;
  if (!Number.isSafeInteger(size) || size < 0 || size > maxOutputBytes) {
    throw brokenAnswer(`output "${name}" has no size`);
  }
}

function fromBinary({ name, datatype, shape }: WrittenOutput, bytes: Uint8Array<ArrayBuffer>): NamedOutput {
  return { name, tensor: tensorFromBytes(name, knownDatatype(name, datatype), shape, bytes) };
}

/** Flat or nested. 64-bit integers are exact up to 2^53 only: JSON.parse has rounded the rest. */
function fromJson({ name, datatype: written, shape, data }: WrittenOutput): Tensor {
  const datatype = knownDatatype(name, written);
  const flat = (data ?? []).flat(Number.POSITIVE_INFINITY) as unknown[];
  if (flat.length !== elementCount(shape)) throw brokenAnswer(`output "${name}" has not as many elements as its shape`);
  const target = allocate(datatype, flat.length);
  for (let index = 0; index < flat.length; index++)
    (target as unknown[])[index] = elementOf(name, datatype, flat[index]);
  return { datatype, shape, data: target };
}

function elementOf(name: string, datatype: Tensor['datatype'], value: unknown): unknown {
  if (datatype === 'string') return String(value);
  if (datatype === 'float16') throw brokenAnswer(`output "${name}" is FP16 in JSON, which has no such form`);
  if (datatype === 'bool') return value === true || value === 1 ? 1 : 0;
  if (datatype !== 'int64' && datatype !== 'uint64') return value === null ? Number.NaN : Number(value);
  if (typeof value !== 'number' || !Number.isInteger(value)) throw brokenAnswer(`output "${name}" is no integer`);
  return BigInt(value);
}

function knownDatatype(name: string, written: string): Tensor['datatype'] {
  const known = datatypeOf(written);
  if (known === undefined) throw brokenAnswer(`output "${name}" has the datatype ${JSON.stringify(written)}`);
  return known;
}
