import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HotpathError } from '../../core/errors.ts';
import type { TypedArray } from '../../core/tensor.ts';
import { parseNpy } from './npy.ts';

/** A .npy file around bytes of data. */
function npyFile(descr: string, shape: readonly number[], data: Uint8Array, fortran = false): Uint8Array<ArrayBuffer> {
  const dims = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': (${dims}), }`;
  const header = Buffer.from(`${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`, 'latin1');
  const head = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, header.length & 255, header.length >> 8]);
  return new Uint8Array(Buffer.concat([head, header, data]));
}

const bytesOf = (data: TypedArray) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

const types = [
  ['f4', 'float32', Float32Array],
  ['f8', 'float64', Float64Array],
  ['f2', 'float16', Uint16Array],
  ['i1', 'int8', Int8Array],
  ['i2', 'int16', Int16Array],
  ['i4', 'int32', Int32Array],
  ['i8', 'int64', BigInt64Array],
  ['u1', 'uint8', Uint8Array],
  ['u2', 'uint16', Uint16Array],
  ['u4', 'uint32', Uint32Array],
  ['u8', 'uint64', BigUint64Array],
] as const;

const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });

function refuses(bytes: Uint8Array<ArrayBuffer>, pattern: RegExp): void {
  assert.throws(
    () => parseNpy('x', bytes),
    (error) => error instanceof HotpathError && pattern.test(error.message),
  );
}

describe('a NumPy array file', () => {
  it('is read in every type, either byte order, whatever its shape', () => {
    const arrays = fc.tuple(fc.constantFrom(...types), shapes, fc.boolean(), fc.infiniteStream(fc.nat(255)));
    fc.assert(
      fc.property(arrays, ([[descr, datatype, Elements], shape, big, stream]) => {
        const count = shape.reduce((product, dim) => product * dim, 1);
        const size = Elements.BYTES_PER_ELEMENT;
        const bytes = Uint8Array.from({ length: count * size }, () => stream.next().value);
        const little = bytes.slice();
        if (big) for (let at = 0; at < little.length; at += size) little.subarray(at, at + size).reverse();
        const tensor = parseNpy('x', npyFile(`${big ? '>' : '<'}${descr}`, shape, bytes));
        assert.equal(tensor.datatype, datatype);
        assert.deepEqual(tensor.shape, shape);
        assert.deepEqual(bytesOf(tensor.data as TypedArray), little);
      }),
    );
  });

  it('is turned into row-major order when Fortran wrote it', () => {
    // The matrix 0 1 2 / 3 4 5, column by column.
    const columns = Float32Array.of(0, 3, 1, 4, 2, 5);
    const tensor = parseNpy('x', npyFile('<f4', [2, 3], bytesOf(columns), true));
    assert.deepEqual([...(tensor.data as Float32Array)], [0, 1, 2, 3, 4, 5]);
    fc.assert(
      fc.property(
        fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
        (dims) => {
          const [a, b, c] = dims;
          const data = new Int32Array(a * b * c);
          // Element [i, j, k] is 100 i + 10 j + k, wherever it lies.
          for (let k = 0; k < c; k++)
            for (let j = 0; j < b; j++) for (let i = 0; i < a; i++) data[i + a * (j + b * k)] = 100 * i + 10 * j + k;
          const read = parseNpy('x', npyFile('<i4', dims, bytesOf(data), true)).data as Int32Array;
          for (let i = 0; i < a; i++)
            for (let j = 0; j < b; j++)
              for (let k = 0; k < c; k++) assert.equal(read[(i * b + j) * c + k], 100 * i + 10 * j + k);
        },
      ),
    );
  });

  it('gives booleans and both kinds of strings', () => {
    assert.equal(parseNpy('x', npyFile('|b1', [2], Uint8Array.of(1, 0))).datatype, 'bool');
    const wide = Uint32Array.from('aé\0ü', (char) => char.codePointAt(0)!);
    assert.deepEqual(parseNpy('x', npyFile('<U2', [2], bytesOf(wide))).data, ['aé', '\0ü']);
    assert.deepEqual(parseNpy('x', npyFile('|S3', [2], Buffer.from('abcx\0\0'))).data, ['abc', 'x']);
  });

  it('is refused with a reason when it holds what no model takes, or is damaged', () => {
    refuses(npyFile('|O', [1], new Uint8Array(8)), /has the type "O"/);
    refuses(npyFile('<c8', [1], new Uint8Array(8)), /has the type "c8"/);
    refuses(npyFile('<f4', [3], new Uint8Array(8)), /should hold 12 bytes of data and holds 8/);
    refuses(npyFile('<f4', [2 ** 40, 2 ** 40], new Uint8Array(8)), /impossible shape/);
    refuses(Uint8Array.of(1, 2, 3), /no NumPy array/);
    refuses(npyFile('<f4', [1], new Uint8Array(4)).slice(0, 30), /cut off/);
  });

  it('never fails otherwise, whatever bytes are wrong', () => {
    const sound = npyFile('<f4', [2, 2], new Uint8Array(16));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        fc.nat(sound.length),
        (edits, cut) => {
          const bytes = sound.slice(0, sound.length - (cut % 7 === 0 ? cut : 0));
          for (const [at, value] of edits) bytes[at] = value;
          try {
            parseNpy('x', bytes);
          } catch (error) {
            assert.ok(error instanceof HotpathError, String(error));
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
