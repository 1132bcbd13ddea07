/**
 * What the main thread and an engine worker say to each other. Flat arrays (shape, data, shape, data ..) without names,
 * datatypes or ids: both sides know the signature, and a worker runs one batch at a time. Measured per message, both ends:
 * 1.5-2 us flat, 2.5-3.5 us as nested objects; transferring a buffer costs no more than cloning 64 bytes, so all are transferred.
 */
import { isMarkedAsUntransferable } from 'node:worker_threads';
import type { Signature, Tensor, TensorData, TensorSpec } from '../../core/tensor.ts';
import type { ExecutionProvider } from '../../ports/engine.ts';

/** Alternating shape and data. */
export type FlatTensors = (readonly number[] | TensorData)[];

/** Output names or null for all, then the inputs; `null` alone asks the worker to end. */
export type RunMessage = [readonly string[] | null, ...FlatTensors];
export type WorkerRequest = RunMessage | null;

/**
 * Milliseconds inside the runtime, input buffers to be filled again, then the outputs; a string is the sentence of an
 * ENGINE_FAILED.
 */
export type RunReply = [number, readonly ArrayBuffer[], ...FlatTensors] | string;

/** The first message of a worker. */
export type WorkerGreeting =
  | {
      readonly ready: true;
      readonly signature: Signature;
      readonly executionProvider: ExecutionProvider;
      readonly notes: readonly string[];
    }
  | { readonly ready: false; readonly reason: string };

/** Appends `tensors` to `message` and their buffers to `transfer`. */
export function appendTensors(tensors: readonly Tensor[], message: unknown[], transfer: ArrayBuffer[]): void {
  for (const { shape, data } of tensors) {
    message.push(shape, Array.isArray(data) ? data : movable(data, transfer));
  }
}

/**
 * A view whose whole buffer may be moved. A small view of a large buffer is copied first: moving it would take the rest
 * away from its owner's other views and keep it alive; pooled and shared buffers cannot be moved at all.
 */
function movable<T extends Exclude<TensorData, string[]>>(data: T, transfer: ArrayBuffer[]): T {
  const { buffer } = data;
  const moves =
    data.byteLength * 2 >= buffer.byteLength && buffer instanceof ArrayBuffer && !isMarkedAsUntransferable(buffer);
  // Not data.slice(): a Buffer's own slice is a view.
  if (!moves) data = Uint8Array.prototype.slice.call(data) as unknown as T;
  if (!transfer.includes(data.buffer)) transfer.push(data.buffer);
  return data;
}

/** The tensors from `start` on, with the datatypes of `specs`. */
export function readTensors(
  message: readonly unknown[],
  start: number,
  specs: readonly Pick<TensorSpec, 'datatype'>[],
): Tensor[] {
  const tensors = new Array<Tensor>(specs.length);
  for (let index = 0; index < specs.length; index++) {
    tensors[index] = {
      datatype: specs[index]!.datatype,
      shape: message[start + 2 * index] as readonly number[],
      data: message[start + 2 * index + 1] as TensorData,
    };
  }
  return tensors;
}
