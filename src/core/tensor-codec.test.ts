import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Datatype, datatypes, elementBytes, elementCount, type Tensor, viewBytes } from './tensor.ts';
import { decodeTensors, encodeStrings, encodeTensors } from './tensor-codec.ts';

const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });
/** With unpaired surrogates, byte order marks and NUL. */
const texts = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
  fc.constantFrom('', '\ufeffx', '\ud800', '\udc00', '\0', 'naïve 💡'),
);

const tensors: fc.Arbitrary<Tensor> = fc.tuple(fc.constantFrom(...datatypes), shapes).chain(([datatype, shape]) => {
  const count = elementCount(shape);
  if (datatype === 'string') {
    return fc.array(texts, { minLength: count, maxLength: count }).map((data): Tensor => ({ datatype, shape, data }));
  }
  return fc
    .uint8Array({ minLength: count * elementBytes[datatype], maxLength: count * elementBytes[datatype] })
    .map(
      (bytes): Tensor => ({ datatype, shape, data: viewBytes(datatype, bytes.slice().buffer, 0, bytes.byteLength) }),
    );
});

/** Bits, not values: NaN is a pattern here, and 0 differs from -0. */
function bits({ datatype, shape, data }: Tensor): unknown {
  if (Array.isArray(data)) return { datatype, shape, data };
  return {
    datatype,
    shape,
    kind: data.constructor.name,
    bytes: Array.from(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  };
}

test('tensors come back bit for bit, in memory of their own', () => {
  fc.assert(
    fc.property(fc.array(tensors, { maxLength: 4 }), fc.integer({ min: 0, max: 7 }), (originals, shift) => {
      const encoded = encodeTensors(originals);
      // Drivers hand out views at any offset of their own buffers.
      const foreign = new Uint8Array(encoded.byteLength + shift).subarray(shift);
      foreign.set(encoded);
      const decoded = decodeTensors(foreign)!;
      foreign.fill(0xaa);
      assert.deepEqual(decoded.map(bits), originals.map(bits));
    }),
  );
});

test('a view in the middle of a larger buffer is encoded as what it shows', () => {
  const buffer = new Float32Array([1, 2, 3, 4]);
  const view: Tensor = { datatype: 'float32', shape: [2], data: buffer.subarray(1, 3) };
  const [decoded] = decodeTensors(encodeTensors([view]))!;
  assert.deepEqual(decoded!.data, new Float32Array([2, 3]));
  assert.equal(decoded!.data.length, 2);
});

test('every proper prefix and every longer text is refused', () => {
  fc.assert(
    fc.property(fc.array(tensors, { minLength: 1, maxLength: 3 }), (originals) => {
      const encoded = encodeTensors(originals);
      for (let size = 0; size < encoded.byteLength; size++) {
        assert.equal(decodeTensors(encoded.subarray(0, size)), undefined);
      }
      const longer = new Uint8Array(encoded.byteLength + 1);
      longer.set(encoded);
      assert.equal(decodeTensors(longer), undefined);
    }),
    { numRuns: 40 },
  );
});

test('mutated bytes are refused or decode to tensors whose data fits their shape', () => {
  const mutation = fc.record({ at: fc.nat(200), byte: fc.nat(255) });
  fc.assert(
    fc.property(
      fc.array(tensors, { minLength: 1, maxLength: 3 }),
      fc.array(mutation, { minLength: 1, maxLength: 6 }),
      (originals, mutations) => {
        const bytes = encodeTensors(originals);
        for (const { at, byte } of mutations) bytes[at % bytes.byteLength] = byte;
        const decoded = decodeTensors(bytes);
        if (decoded === undefined) return;
        for (const { shape, data } of decoded) assert.equal(data.length, elementCount(shape));
        // One value has one encoding, so what was accepted is what would have been written.
        assert.deepEqual(encodeTensors(decoded), bytes);
      },
    ),
    { numRuns: 3000 },
  );
});

test('random bytes never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(datatypes.length), (tail, datatype) => {
      decodeTensors(tail);
      decodeTensors(Uint8Array.of(1, 1, 0, datatype, 1, ...tail));
    }),
    { numRuns: 2000 },
  );
});

test('a shape that claims more than the bytes hold allocates nothing', () => {
  for (const datatype of ['float64', 'string', 'uint8'] satisfies Datatype[]) {
    const bytes = encodeTensors([{ datatype, shape: [0], data: datatype === 'string' ? [] : new Float64Array(0) }]);
    for (const dim of [
      1,
      2 ** 31,
      2 ** 52,
      Number.MAX_SAFE_INTEGER,
      Number.POSITIVE_INFINITY,
      Number.NaN,
      0.5,
      -1,
      -0,
    ]) {
      new DataView(bytes.buffer).setFloat64(5, dim, true);
      assert.equal(decodeTensors(bytes), undefined, `${datatype} [${dim}]`);
    }
  }
});

test('a dimension beside an empty one may be larger than any memory', () => {
  const empty: Tensor = { datatype: 'int64', shape: [0, 2 ** 40], data: new BigInt64Array(0) };
  assert.deepEqual(decodeTensors(encodeTensors([empty])), [empty]);
});

test('another format version is refused', () => {
  const bytes = encodeTensors([]);
  assert.deepEqual(decodeTensors(bytes), []);
  bytes[0] = 2;
  assert.equal(decodeTensors(bytes), undefined);
});

test('lists of strings are told apart however their letters are split', () => {
  fc.assert(
    fc.property(fc.array(texts, { maxLength: 5 }), fc.array(texts, { maxLength: 5 }), (left, right) => {
      const equal = left.length === right.length && left.every((text, index) => text === right[index]);
      assert.equal(Buffer.compare(encodeStrings(left), encodeStrings(right)) === 0, equal);
    }),
  );
  assert.notDeepEqual(encodeStrings(['ab', 'c']), encodeStrings(['a', 'bc']));
  assert.notDeepEqual(encodeStrings(['\ud800']), encodeStrings(['\udbff']));
});
