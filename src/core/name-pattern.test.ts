import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { matchesPattern } from './name-pattern.ts';

describe('a name pattern', () => {
  it('means what the same regular expression means', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*', '.'), maxLength: 12 });
    fc.assert(
      fc.property(letters, letters, (pattern, text) => {
        const name = text.replaceAll('*', 'a');
        const source = pattern.replaceAll('.', '\\.').replace(/\*+/g, '.*');
        assert.equal(matchesPattern(pattern, name), new RegExp(`^${source}$`).test(name));
      }),
      { numRuns: 2000 },
    );
  });

  it('does not let its end overlap its beginning', () => {
    assert.equal(matchesPattern('ab*ba', 'aba'), false);
    assert.equal(matchesPattern('ab*ba', 'abba'), true);
    assert.equal(matchesPattern('', ''), true);
    assert.equal(matchesPattern('', 'x'), false);
  });

  it('answers for patterns that make a backtracking matcher count to the end of time', () => {
    assert.equal(matchesPattern(`${'a*'.repeat(100)}b`, 'a'.repeat(256)), false);
  });
});
