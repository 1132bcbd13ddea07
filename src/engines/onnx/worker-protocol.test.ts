import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import type { Tensor } from '../../core/tensor.ts';
import { appendTensors, readTensors } from './worker-protocol.ts';

/** Posts the tensors as a worker would get them. */
function transferred(tensors: readonly Tensor[]): Tensor[] {
  const { port1, port2 } = new MessageChannel();
  const message: unknown[] = ['head'];
  const transfer: ArrayBuffer[] = [];
  appendTensors(tensors, message, transfer);
  port1.postMessage(message, transfer);
  const received = receiveMessageOnPort(port2)?.message as unknown[];
  port1.close();
  return readTensors(received, 1, tensors);
}

describe('worker protocol', () => {
  it('carries every kind of data, 0-d and empty tensors across', () => {
    const tensors: Tensor[] = [
      { datatype: 'float32', shape: [2], data: Float32Array.of(1.5, Number.NaN) },
      { datatype: 'int64', shape: [], data: BigInt64Array.of(-(2n ** 63n)) },
      { datatype: 'string', shape: [2], data: ['', 'é😀'] },
      { datatype: 'uint8', shape: [0, 3], data: new Uint8Array(0) },
    ];
    assert.deepEqual(transferred(structuredClone(tensors)), tensors);
  });

  it('moves a buffer that is the tensor’s own', () => {
    const data = Float32Array.of(1, 2, 3);
    transferred([{ datatype: 'float32', shape: [3], data }]);
    assert.equal(data.buffer.detached, true);
  });

  it('moves a buffer once that several inputs view', () => {
    const buffer = Float32Array.of(1, 2, 3, 4).buffer;
    const halves = [0, 8].map(
      (offset): Tensor => ({ datatype: 'float32', shape: [2], data: new Float32Array(buffer, offset, 2) }),
    );
    assert.deepEqual(
      transferred(halves).map(({ data }) => [...data]),
      [
        [1, 2],
        [3, 4],
      ],
    );
  });

  it('copies a small view of a large buffer, leaving the rest to its owner', () => {
    const whole = new Uint8Array(1000).fill(7);
    const [part] = transferred([{ datatype: 'uint8', shape: [4], data: whole.subarray(10, 14) }]);
    assert.deepEqual(part?.data, Uint8Array.of(7, 7, 7, 7));
    assert.equal(part?.data.buffer.byteLength, 4);
    assert.equal(whole.length, 1000);
  });

  it('copies views of Node’s buffer pool, which cannot be moved', () => {
    const pooled = Buffer.from('hello') as Buffer<ArrayBuffer>;
    const [text] = transferred([{ datatype: 'uint8', shape: [5], data: pooled }]);
    assert.deepEqual([...text!.data], [...Buffer.from('hello')]);
    assert.equal(pooled.toString(), 'hello');
  });
});
