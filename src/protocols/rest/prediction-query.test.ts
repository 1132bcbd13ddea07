import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HotpathError } from '../../core/errors.ts';
import { readPredictionQuery } from './prediction-query.ts';

const id = '019a2b4c-5d6e-7000-8abc-0123456789ab';

function refusalOf(query: Record<string, unknown>): HotpathError {
  try {
    readPredictionQuery(query);
  } catch (error) {
    assert.ok(error instanceof HotpathError, String(error));
    assert.equal(error.code, 'INVALID_INPUT');
    return error;
  }
  return assert.fail(`taken: ${JSON.stringify(query)}`);
}

describe('readPredictionQuery', () => {
  it('asks for the newest 50 when nothing is said', () => {
    assert.deepEqual(readPredictionQuery({}), {
      filter: {
        model: undefined,
        version: undefined,
        status: undefined,
        fromMs: undefined,
        toMs: undefined,
        before: undefined,
      },
      limit: 50,
    });
  });

  it('reads every parameter', () => {
    const query = {
      model: 'iris',
      version: '3',
      status: 'failed',
      from: '0',
      to: '1',
      limit: '1000',
      before: id.toUpperCase(),
    };
    assert.deepEqual(readPredictionQuery(query), {
      filter: { model: 'iris', version: '3', status: 'failed', fromMs: 0, toMs: 1, before: id },
      limit: 1000,
    });
  });

  it('reads times in ISO 8601, UTC unless they say otherwise, and in Unix milliseconds', () => {
    const noon = Date.UTC(2026, 0, 31, 12);
    for (const [text, ms] of [
      ['2026-01-31T12:00:00Z', noon],
      ['2026-01-31T12:00:00.250Z', noon + 250],
      ['2026-01-31T12:00', noon],
      ['2026-01-31T14:00:00+02:00', noon],
      ['2026-01-31T14:00:00 02:00', noon],
      ['2026-01-31T07:00:00-05:00', noon],
      ['2026-01-31', Date.UTC(2026, 0, 31)],
      [String(noon), noon],
    ] as const) {
      assert.equal(readPredictionQuery({ from: text }).filter.fromMs, ms, text);
      assert.equal(readPredictionQuery({ to: text }).filter.toMs, ms, text);
    }
  });

  it('refuses what it does not understand and names the parameter', () => {
    for (const [query, field, words] of [
      [{ modell: 'iris' }, 'modell', /no parameter "modell".*Did you mean "model"\?/],
      [{ cursor: 'x' }, 'cursor', /no parameter "cursor".*"before"/],
      [{ model: ['a', 'b'] }, 'model', /one value/],
      [{ model: '' }, 'model', /1 to 256 characters/],
      [{ model: 'x'.repeat(257) }, 'model', /1 to 256 characters/],
      [{ model: 'a\0b' }, 'model', /control character/],
      [{ version: '' }, 'version', /1 to 256 characters/],
      [{ status: 'FAILED' }, 'status', /OK, failed or an error code.*Did you mean "failed"\?/],
      [{ status: 'OVERLOADD' }, 'status', /Did you mean "OVERLOADED"\?/],
      [{ from: 'yesterday' }, 'from', /2026-01-31T12:00:00Z/],
      [{ from: '2026-13-01' }, 'from', /a time/],
      [{ to: '-5' }, 'to', /a time/],
      [{ to: '99999999999999999' }, 'to', /a time/],
      [{ to: 'Jan 5' }, 'to', /a time/],
      [{ from: '5', to: '5' }, 'from', /before "to"/],
      [{ limit: '0' }, 'limit', /1 to 1000/],
      [{ limit: '1001' }, 'limit', /1 to 1000/],
      [{ limit: '1e2' }, 'limit', /1 to 1000/],
      [{ limit: '' }, 'limit', /1 to 1000/],
      [{ before: 'abc' }, 'before', /id of a prediction/],
    ] as const) {
      const { message, details } = refusalOf(query);
      assert.equal(details?.field, field, message);
      assert.match(message, words);
    }
  });

  it('never echoes much of what was sent', () => {
    for (const name of ['model', 'status', 'from', 'limit', 'before', 'x'.repeat(5000)]) {
      assert.ok(JSON.stringify(refusalOf({ [name]: 'y'.repeat(5000) }).details).length < 500);
      assert.ok(refusalOf({ [name]: 'y'.repeat(5000) }).message.length < 400);
    }
  });

  it('takes or refuses anything, and gives only what a store can bear', () => {
    const names = fc.constantFrom('model', 'version', 'status', 'from', 'to', 'limit', 'before');
    fc.assert(
      fc.property(fc.dictionary(names, fc.string({ maxLength: 30 })), (query) => {
        let read: ReturnType<typeof readPredictionQuery>;
        try {
          read = readPredictionQuery(query);
        } catch (error) {
          assert.ok(error instanceof HotpathError && error.code === 'INVALID_INPUT');
          return;
        }
        const { filter, limit } = read;
        assert.ok(Number.isInteger(limit) && limit >= 1 && limit <= 1000);
        for (const ms of [filter.fromMs, filter.toMs]) assert.ok(ms === undefined || Number.isSafeInteger(ms));
        for (const text of [filter.model, filter.version]) assert.ok(text === undefined || !text.includes('\0'));
      }),
    );
  });
});
