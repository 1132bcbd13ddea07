import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { childContext, formatTraceparent, parseTraceparent, randomSpanId } from './trace-context.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentId = '00f067aa0ba902b7';

const hex = (length: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length });
const context = fc
  .record({ traceId: hex(32), parentId: hex(16), sampled: fc.boolean() }, { noNullPrototype: true })
  .filter((c) => /[^0]/.test(c.traceId) && /[^0]/.test(c.parentId));

test('the example of the standard is read', () => {
  assert.deepEqual(parseTraceparent(`00-${traceId}-${parentId}-01`), { traceId, parentId, sampled: true });
  assert.deepEqual(parseTraceparent(`00-${traceId}-${parentId}-00`), { traceId, parentId, sampled: false });
});

test('what is written is read back', () => {
  fc.assert(fc.property(context, (c) => assert.deepEqual(parseTraceparent(formatTraceparent(c)), c)));
});

test('headers the standard calls invalid are ignored', () => {
  for (const header of [
    undefined,
    '',
    `ff-${traceId}-${parentId}-01`,
    `00-${'0'.repeat(32)}-${parentId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId.toUpperCase()}-${parentId}-01`,
    `00-${traceId}-${parentId}-0g`,
    `00-${traceId}-${parentId}`,
    `00-${traceId}-${parentId}-01-extra`,
    `00-${traceId}-${parentId}-01 `,
    ` 00-${traceId}-${parentId}-01`,
    `01-${traceId}-${parentId}-01extra`,
    `00-${traceId}-${parentId}-01\n`,
    `01-${traceId}-${parentId}-01-${'x'.repeat(1000)}`,
  ]) {
    assert.equal(parseTraceparent(header), undefined, String(header));
  }
});

test('a later version may append fields and only its sampled flag is used', () => {
  assert.deepEqual(parseTraceparent(`01-${traceId}-${parentId}-03-what-is-this`), { traceId, parentId, sampled: true });
  assert.deepEqual(parseTraceparent(`cc-${traceId}-${parentId}-02`), { traceId, parentId, sampled: false });
});

test('no string makes the parser throw or return ids that are not ids', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ minLength: 55, maxLength: 55 })), (header) => {
      const parsed = parseTraceparent(header);
      assert.ok(
        parsed === undefined || (/^[0-9a-f]{32}$/.test(parsed.traceId) && /^[0-9a-f]{16}$/.test(parsed.parentId)),
      );
    }),
  );
});

test('a child keeps the trace and gets a span of its own', () => {
  const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(context, fc.infiniteStream(unit), (parent, randoms) => {
      const child = childContext(parent, () => randoms.next().value);
      assert.equal(child.traceId, parent.traceId);
      assert.equal(child.sampled, parent.sampled);
      assert.deepEqual(parseTraceparent(formatTraceparent(child)), child);
    }),
  );
});

test('a span id is sixteen digits at both ends of the random range and never zero', () => {
  assert.equal(
    randomSpanId(() => 0),
    '0000000000000001',
  );
  assert.equal(
    randomSpanId(() => 1 - 2 ** -53),
    'ffffffffffffffff',
  );
});
