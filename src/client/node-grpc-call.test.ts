import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { parseTimeout } from '../protocols/grpc/timeout.ts';
import { timeoutText } from './node-grpc-call.ts';

it('a deadline is written as the server reads it, never shorter by more than rounding', () => {
  const anyMs = fc.oneof(fc.double({ min: 0, max: 1e5, noNaN: true }), fc.double({ min: 0, max: 9e10, noNaN: true }));
  fc.assert(
    fc.property(anyMs, (ms) => {
      const readMs = parseTimeout(timeoutText(ms))!;
      // Microseconds up to 100 s, milliseconds up to 28 hours, then seconds.
      const unitMs = ms < 1e5 ? 1e-3 : ms < 1e8 ? 1 : 1000;
      assert.ok(Math.abs(readMs - ms) <= unitMs, `${ms} became ${timeoutText(ms)}`);
      assert.ok(readMs > 0);
    }),
  );
});
