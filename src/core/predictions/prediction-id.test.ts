import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PredictionIds, parsePredictionId, predictionIdMs } from './prediction-id.ts';

const form = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const maxMs = 2 ** 48 - 100_000;

describe('prediction ids', () => {
  it('are UUIDs of version 7 with the bits where RFC 9562 has them', () => {
    const ids = new PredictionIds((words) => words.fill(0xffff_ffff));
    // The time of the RFC's own example, appendix A.6.
    assert.equal(ids.next(0x017f22e279b0), '017f22e2-79b0-7000-bfff-ffffffffffff');
    assert.equal(ids.next(0x017f22e279b0), '017f22e2-79b0-7001-bfff-ffffffffffff');
    assert.equal(new PredictionIds((words) => words.fill(0)).next(1), '00000000-0001-7000-8000-000000000000');
  });

  it('use 62 random bits, none of them twice', () => {
    for (let bit = 0; bit < 64; bit++) {
      const word = bit < 32 ? 0 : 1;
      const ids = new PredictionIds((words) => {
        words.fill(0);
        words[word] = 1 << (bit % 32);
      });
      const random = BigInt(`0x${ids.next(0).slice(19).replace('-', '')}`) & (2n ** 62n - 1n);
      const ones = random.toString(2).replaceAll('0', '').length;
      // Two of 64 bits are not needed.
      assert.ok(ones <= 1, String(bit));
    }
    const all = new PredictionIds((words) => words.fill(0xffff_ffff)).next(0);
    assert.equal(BigInt(`0x${all.slice(19).replace('-', '')}`) & (2n ** 62n - 1n), 2n ** 62n - 1n);
  });

  it('increase strictly and are unique whatever the clock does', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: maxMs }), { minLength: 1, maxLength: 200 }), (times) => {
        const ids = new PredictionIds(randomFillSync);
        let last = '';
        let latestMs = 0;
        for (const ms of times) {
          const id = ids.next(ms);
          latestMs = Math.max(latestMs, ms);
          assert.match(id, form);
          assert.ok(id > last);
          assert.equal(predictionIdMs(id), latestMs);
          assert.equal(ids.lastMs, latestMs);
          assert.equal(parsePredictionId(id), id);
          last = id;
        }
      }),
    );
  });

  it('go on in the next millisecond when one has had 4096', () => {
    const ids = new PredictionIds(randomFillSync);
    const made = Array.from({ length: 10_000 }, () => ids.next(5000));
    assert.deepEqual([...made].sort(), made);
    assert.equal(new Set(made).size, made.length);
    assert.deepEqual(
      [made[4095], made[4096], made.at(-1)].map((id) => predictionIdMs(id!)),
      [5000, 5001, 5002],
    );
  });

  it('ask for random numbers in blocks and never use a block twice', () => {
    let fills = 0;
    const ids = new PredictionIds((words) => {
      fills++;
      randomFillSync(words);
    });
    const tails = Array.from({ length: 2000 }, (_, index) => ids.next(index).slice(19));
    assert.equal(new Set(tails).size, tails.length);
    assert.ok(fills <= 4, String(fills));
  });
});

describe('parsePredictionId', () => {
  it('takes upper case and gives lower case', () => {
    assert.equal(parsePredictionId('017F22E2-79B0-7CC3-98C4-DC0C0C07398F'), '017f22e2-79b0-7cc3-98c4-dc0c0c07398f');
  });

  it('refuses everything that is no UUID of version 7', () => {
    for (const text of [
      '',
      'iris',
      '017f22e279b07cc398c4dc0c0c07398f',
      '017f22e2-79b0-4cc3-98c4-dc0c0c07398f',
      '017f22e2-79b0-7cc3-c8c4-dc0c0c07398f',
      '017f22e2-79b0-7cc3-98c4-dc0c0c07398g',
      '017f22e2-79b0-7cc3-98c4-dc0c0c07398f ',
      '017f22e2_79b0-7cc3-98c4-dc0c0c07398f',
      '017f22e2-79b0-7cc3-98c4-dc0c0c07398\u212a',
      '017f22e-279b0-7cc3-98c4-dc0c0c07398f',
    ]) {
      assert.equal(parsePredictionId(text), undefined, text);
    }
  });

  it('agrees with the form for any text near an id', () => {
    const valid = '017f22e2-79b0-7cc3-98c4-dc0c0c07398f';
    fc.assert(
      fc.property(fc.nat(35), fc.oneof(fc.nat(0x7f), fc.nat(0xffff)), (at, code) => {
        const text = valid.slice(0, at) + String.fromCharCode(code) + valid.slice(at + 1);
        const expected = form.test(text.toLowerCase()) ? text.toLowerCase() : undefined;
        assert.equal(parsePredictionId(text), expected);
      }),
    );
  });
});
