import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createKeyDigest } from '../../adapters/key-digest.ts';
import { matchesPattern } from '../name-pattern.ts';
import { type Datatype, datatypes, elementBytes, type Tensor, viewBytes } from '../tensor.ts';
import { bytesOf, encodeStrings } from '../tensor-codec.ts';
import { contentPrefix, escapeName, farPrefixOf, Keyspace, type KeyspaceIdentity } from './cache-key.ts';

const digest = createKeyDigest();
const identity: KeyspaceIdentity = {
  model: 'm',
  version: '1',
  contentHash: 'c',
  inputs: [{ name: 'x', datatype: 'float32', shape: [-1, -1] }],
  rowwise: true,
};
let nextId = 1;
const keyspace = (changes: Partial<KeyspaceIdentity> = {}) =>
  new Keyspace({ ...identity, ...changes }, nextId++, digest);
const rowwise = keyspace();
const whole = keyspace({ rowwise: false });

const keysOf = (space: Keyspace, inputs: readonly Tensor[], row = 0) => [
  space.memoryKey(inputs, row),
  space.farKey(inputs, row),
];

/** One row, from a few values and sizes on both sides of the limit of exact keys, so that equal ones come up too. */
const rowTensor: fc.Arbitrary<Tensor> = fc
  .tuple(
    fc.constantFrom<Datatype>(...datatypes),
    fc.constantFrom([], [1], [2], [1, 2], [2, 1], [0], [0, 300], [300], [300, 1]),
    fc.constantFrom('a', 'ab', '', '\ud800', 'é'.repeat(700)),
    fc.constantFrom(0, 0x80, 0xff),
  )
  .map(([datatype, inner, text, byte]): Tensor => {
    const count = inner.reduce<number>((product, dim) => product * dim, 1);
    const shape = [1, ...inner];
    if (datatype === 'string') return { datatype, shape, data: new Array<string>(count).fill(text) };
    const bytes = new Uint8Array(count * elementBytes[datatype]).fill(byte);
    return { datatype, shape, data: viewBytes(datatype, bytes.buffer, 0, bytes.byteLength) };
  });

const toHex = (bytes: Uint8Array<ArrayBuffer>) => Buffer.from(bytes).toString('hex');

/** What a row is, by another way than the code's. */
function meaning(inputs: readonly Tensor[]): string {
  return JSON.stringify(
    inputs.map(({ datatype, shape, data }) => [
      datatype,
      shape,
      toHex(Array.isArray(data) ? encodeStrings(data) : bytesOf(data)),
    ]),
  );
}

test('two rows share a key exactly when they are the same in datatypes, shapes and bits', () => {
  const inputs = fc.array(rowTensor, { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(inputs, inputs, fc.boolean(), (left, right, byRow) => {
      const space = byRow ? rowwise : whole;
      const same = meaning(left) === meaning(right);
      const [memory, far] = keysOf(space, left);
      assert.equal(memory === space.memoryKey(right, 0), same);
      assert.equal(far === space.farKey(right, 0), same);
    }),
    { numRuns: 3000 },
  );
});

test('a row of a batch, wherever its memory lies, has the key it has alone', () => {
  const values = fc.array(fc.tuple(fc.float(), fc.float(), fc.float()), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(values, fc.nat(3), fc.constantFrom(1, 400), (rows, shift, repeat) => {
      const flat = rows.flatMap((row) => new Array(repeat).fill(row).flat());
      const memory = new Float32Array(shift + flat.length);
      memory.set(flat, shift);
      const batch: Tensor = { datatype: 'float32', shape: [rows.length, 3 * repeat], data: memory.subarray(shift) };
      const texts: Tensor = { datatype: 'string', shape: [rows.length], data: rows.map(String) };
      for (const [row, value] of rows.entries()) {
        const own = new Float32Array(new Array(repeat).fill(value).flat());
        const alone: Tensor = { datatype: 'float32', shape: [1, 3 * repeat], data: own };
        const text: Tensor = { datatype: 'string', shape: [1], data: [String(value)] };
        assert.deepEqual(keysOf(rowwise, [batch, texts], row), keysOf(rowwise, [alone, text]));
      }
    }),
  );
});

test('every part of the identity changes every key', () => {
  const inputs: Tensor[] = [{ datatype: 'float32', shape: [1, 2], data: new Float32Array([1, 2]) }];
  const changes: Partial<KeyspaceIdentity>[] = [
    {},
    { model: 'n' },
    { version: '2' },
    { contentHash: 'd' },
    { inputs: [{ name: 'y', datatype: 'float32', shape: [-1, -1] }] },
    { inputs: [{ name: 'x', datatype: 'int32', shape: [-1, -1] }] },
    { rowwise: false },
    { model: 'm/1', version: '' },
    { model: 'm', version: '1c', contentHash: '' },
  ];
  const keys = changes.flatMap((change) => keysOf(keyspace(change), inputs));
  assert.equal(new Set(keys).size, 2 * changes.length);
});

test('the same bytes as [2,3] and as [3,2] are two entries, which they are not in a well-known server', () => {
  const data = new Float32Array([1, 2, 3, 4, 5, 6]);
  const wide: Tensor = { datatype: 'float32', shape: [2, 3], data };
  const tall: Tensor = { datatype: 'float32', shape: [3, 2], data };
  assert.notEqual(whole.memoryKey([wide], 0), whole.memoryKey([tall], 0));
  assert.notEqual(whole.farKey([wide], 0), whole.farKey([tall], 0));
  const sameBits: Tensor = { datatype: 'int32', shape: [2, 3], data: new Int32Array(data.buffer) };
  assert.notEqual(whole.memoryKey([wide], 0), whole.memoryKey([sameBits], 0));
});

test('two models with the same inputs are two entries', () => {
  const inputs: Tensor[] = [{ datatype: 'float32', shape: [1, 1], data: new Float32Array([1]) }];
  assert.notEqual(keyspace({ model: 'a' }).memoryKey(inputs, 0), keyspace({ model: 'b' }).memoryKey(inputs, 0));
  assert.notEqual(keyspace({ model: 'a' }).farKey(inputs, 0), keyspace({ model: 'b' }).farKey(inputs, 0));
});

test('bits count, also those that arithmetic does not see', () => {
  const bits = [0, 0x80000000, 0x7fc00000, 0x7fc00001, 0xffc00000, 0x7f800001];
  const keys = bits.flatMap((pattern) => {
    const data = new Float32Array(new Uint32Array([pattern]).buffer);
    return keysOf(rowwise, [{ datatype: 'float32', shape: [1, 1], data }]);
  });
  assert.equal(new Set(keys).size, 2 * bits.length);
});

test('far keys are the same in every process, printable, and short enough for every store', () => {
  const inputs: Tensor[] = [{ datatype: 'string', shape: [1], data: ['ä'] }];
  for (const model of ['m', 'a/b:c*d~e', '名'.repeat(85), '\ud800']) {
    const here = keyspace({ model }).farKey(inputs, 0);
    assert.equal(new Keyspace({ ...identity, model }, 77, createKeyDigest()).farKey(inputs, 0), here);
    assert.match(here, /^[\x21-\x7e]{1,512}$/);
    assert.ok(here.startsWith(farPrefixOf(model, undefined, digest)));
    assert.ok(here.startsWith(farPrefixOf(model, '1', digest)));
    assert.ok(here.startsWith(contentPrefix(model, '1', 'c', digest)));
  }
});

test('no model’s prefix is the beginning of another model’s keys', () => {
  const names = fc.oneof(fc.string({ unit: fc.constantFrom('a', '/', ':', '*', '%', '~', '2', 'F') }), fc.string());
  fc.assert(
    fc.property(names, names, (left, right) => {
      fc.pre(left !== right);
      assert.ok(!farPrefixOf(right, '1', digest).startsWith(farPrefixOf(left, undefined, digest)));
      assert.ok(!/[/:*~]/.test(escapeName(left)));
    }),
  );
});

test('keys above the exact limit are a hash under a secret of the process', () => {
  const inputs: Tensor[] = [{ datatype: 'uint8', shape: [1, 5000], data: new Uint8Array(5000) }];
  const key = rowwise.memoryKey(inputs, 0);
  assert.equal(key.length, 22);
  assert.equal(rowwise.memoryKey(inputs, 0), key);
  assert.notEqual(new Keyspace(identity, 1, createKeyDigest()).memoryKey(inputs, 0).slice(5), key.slice(5));
});

test('patterns match as an expression would', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 6 });
  fc.assert(
    fc.property(letters, fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 }), (pattern, name) => {
      assert.equal(matchesPattern(pattern, name), new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(name));
    }),
    { numRuns: 1000 },
  );
});
