import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { PredictionRecord } from '../../ports/prediction-store.ts';
import { packRecords, unpackRows } from './pack-records.ts';
import { uuidToBytes } from './uuid.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 15 }).map((value) => value.replaceAll('\0', ''));
const bytes = fc.uint8Array({ maxLength: 2000 });
const record: fc.Arbitrary<PredictionRecord> = fc.record({
  id: fc.uuid(),
  createdMs: fc.constant(0),
  model: text,
  version: text,
  status: text,
  caller: text,
  rows: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  durationMs: fc.double({ noNaN: true }),
  cache: text,
  inputKey: bytes,
  inputs: fc.option(bytes, { nil: undefined }),
  outputs: fc.option(bytes, { nil: undefined }),
});

const plain = (value: unknown) => (value instanceof Uint8Array ? [...value] : value);

describe('packed records', () => {
  it('come back as rows, whatever is in them', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 12 }), (records) => {
        const rows = Array.from(unpackRows(packRecords(records)), (row) => row.map(plain));
        const expected = records.map((each) => [
          uuidToBytes(each.id),
          each.model.slice(0, 200),
          each.version.slice(0, 200),
          each.status.slice(0, 200),
          each.caller.slice(0, 200),
          each.rows,
          each.durationMs,
          each.cache.slice(0, 200),
          each.inputKey.length === 0 ? null : each.inputKey,
          each.inputs ?? null,
          each.outputs ?? null,
        ]);
        assert.deepEqual(
          rows,
          expected.map((row) => row.map((value) => (value instanceof Uint8Array ? [...value] : value))),
        );
      }),
    );
  });

  it('have the bytes of PostgreSQL’s format: signature, flags, rows with their lengths, and -1', () => {
    const empty = packRecords([]);
    assert.equal(empty.toString('latin1'), 'PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\xff\xff');
    const id = '01234567-89ab-7def-8123-456789abcdef';
    const one = packRecords([
      {
        id,
        createdMs: 0,
        model: 'm',
        version: '1',
        status: 'OK',
        caller: '',
        rows: 2,
        durationMs: 1,
        cache: '',
        inputKey: new Uint8Array(0),
        inputs: undefined,
        outputs: new Uint8Array([9]),
      },
    ]);
    const int = (value: number) => value.toString(16).padStart(8, '0');
    const expected = [
      '000b',
      int(16) + id.replaceAll('-', ''),
      `${int(1)}6d`,
      `${int(1)}31`,
      `${int(2)}4f4b`,
      int(0),
      int(4) + int(2),
      `${int(8)}3ff0000000000000`,
      int(0),
      'ffffffff',
      'ffffffff',
      `${int(1)}09`,
      'ffff',
    ].join('');
    assert.equal(one.subarray(19).toString('hex'), expected);
  });

  it('are refused with an id that is no UUID', () => {
    const [valid] = fc.sample(record, 1);
    for (const id of [
      '',
      'nonsense',
      '01234567-89ab-7def-8123-456789abcde',
      '0123456789abcdefghijklmnopqrstuv0123',
      '0'.repeat(40),
    ]) {
      assert.throws(() => packRecords([{ ...valid!, id }]), { code: 'INVALID_INPUT' });
    }
  });
});
