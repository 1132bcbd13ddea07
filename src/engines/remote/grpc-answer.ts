/**
 * Reads a ModelInferResponse as its bytes arrive: each raw output is copied once, from the socket's chunks into a buffer of its own,
 * which then is the tensor. Everything else in the message is small and collected. Made by grpc-transport.ts once per call.
 */

import { datatypeOf } from '../../core/oip-names.ts';
import type { Tensor } from '../../core/tensor.ts';
import { FieldStream } from './field-stream.ts';
import { arrangeOutputs, type NamedOutput } from './outputs.ts';
import { ProtoReader } from './proto-reader.ts';
import { tensorFromBytes } from './tensor-bytes.ts';
import type { InferJob } from './transport.ts';
import { typedContents } from './typed-contents.ts';
import { brokenAnswer } from './upstream-failure.ts';

/** Field numbers of ModelInferResponse and of its outputs. */
const response = { outputs: 5, raw: 6 } as const;
const output = { name: 1, datatype: 2, shape: 3, contents: 5 } as const;

interface OutputHead {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly contents: Buffer | undefined;
}

export class GrpcAnswer {
  readonly #fields = new FieldStream((field, bytes) => this.#take(field, bytes));
  readonly #heads: OutputHead[] = [];
  readonly #raws: Uint8Array<ArrayBuffer>[] = [];

  /** @throws UpstreamFailure on bytes that are no message. */
  push(chunk: Buffer): void {
    this.#fields.push(chunk);
  }

  /** @throws UpstreamFailure when the message is not whole or does not fit the job. */
  finish({ signature, outputs }: InferJob): readonly Tensor[] {
    this.#fields.finish();
    const typed = this.#raws.length === 0;
    if (!typed && this.#raws.length !== this.#heads.length) {
      throw brokenAnswer(`it has ${this.#heads.length} outputs but ${this.#raws.length} raw contents`);
    }
    const named = this.#heads.map((head, index) => toOutput(head, typed ? undefined : this.#raws[index]!));
    return arrangeOutputs(signature, outputs, named);
  }

  #take(field: number, bytes: Uint8Array<ArrayBuffer>): void {
    if (field === response.raw) this.#raws.push(bytes);
    else if (field === response.outputs) this.#heads.push(readHead(bytes));
  }
}

function toOutput(
  { name, datatype, shape, contents }: OutputHead,
  raw: Uint8Array<ArrayBuffer> | undefined,
): NamedOutput {
  const known = datatypeOf(datatype);
  if (known === undefined) throw brokenAnswer(`output "${name}" has the datatype ${JSON.stringify(datatype)}`);
  const tensor =
    raw === undefined ? typedContents(name, known, shape, contents) : tensorFromBytes(name, known, shape, raw);
  return { name, tensor };
}

function readHead(bytes: Uint8Array<ArrayBuffer>): OutputHead {
  const reader = new ProtoReader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  let name = '';
  let datatype = '';
  const shape: number[] = [];
  let contents: Buffer | undefined;
  while (reader.next()) {
    if (reader.field === output.name) name = reader.text();
    else if (reader.field === output.datatype) datatype = reader.text();
    else if (reader.field === output.shape) reader.numbersInto(shape);
    else if (reader.field === output.contents) contents = reader.bytes();
    else reader.skip();
  }
  return { name, datatype, shape, contents };
}
