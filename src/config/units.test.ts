import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { didYouMean, editDistance, nearestName } from './suggest.ts';
import { formatBytes, formatDurationMs, parseBytes, parseDurationMs } from './units.ts';

describe('units', () => {
  it('knows binary and decimal byte units', () => {
    const cases: [string, number | undefined][] = [
      ['0', 0],
      ['512k', 524_288],
      ['64MiB', 67_108_864],
      ['1GB', 1_000_000_000],
      ['1.5 KiB', 1536],
      ['2T', 2 * 2 ** 40],
      ['7b', 7],
      ['', undefined],
      ['MiB', undefined],
      ['1e3', undefined],
      ['-1', undefined],
      ['1 MiB 2', undefined],
      ['1XB', undefined],
      ['99999999TiB', undefined],
      ['1constructor', undefined],
    ];
    for (const [text, expected] of cases) assert.equal(parseBytes(text), expected, text);
  });

  it('knows milliseconds, seconds, minutes and hours', () => {
    const cases: [string, number | undefined][] = [
      ['500', 500],
      ['500ms', 500],
      ['1.5s', 1500],
      ['2m', 120_000],
      ['1h', 3_600_000],
      ['5 d', undefined],
      ['s', undefined],
    ];
    for (const [text, expected] of cases) assert.equal(parseDurationMs(text), expected, text);
  });

  it('reads back what it wrote', () => {
    fc.assert(fc.property(fc.maxSafeNat(), (value) => assert.equal(parseBytes(formatBytes(value)), value)));
    fc.assert(fc.property(fc.nat(), (value) => assert.equal(parseDurationMs(formatDurationMs(value)), value)));
  });
});

describe('suggestions', () => {
  it('count edits, and a swap of neighbours as one', () => {
    assert.equal(editDistance('kitten', 'sitting'), 3);
    assert.equal(editDistance('serve', 'sevre'), 1);
    assert.equal(editDistance('', 'abc'), 3);
  });

  it('name the nearest word and stay silent when none is near', () => {
    assert.equal(nearestName('sevre', ['serve', 'models']), 'serve');
    assert.equal(
      didYouMean('sevre', ['serve'], (name) => `"${name}"`),
      ' Did you mean "serve"?',
    );
    assert.equal(didYouMean('quantize', ['serve', 'models']), '');
  });
});
