import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HotpathError } from '../../core/errors.ts';
import { reasonOf, toRedisError } from './errors.ts';

function driverError(name: string, message: string, rest: object = {}): Error {
  return Object.assign(new Error(message), { name, ...rest });
}

describe('errors of Redis', () => {
  it('are told in codes, without what may hold credentials', () => {
    const cases: [Error, string, string][] = [
      [driverError('Error', 'Command timed out'), 'timed out', 'DEADLINE_EXCEEDED'],
      [driverError('ReplyError', 'WRONGPASS invalid username-password pair secret'), 'WRONGPASS', 'INTERNAL'],
      [driverError('ReplyError', "ERR unknown command 'HELLO', with args: 'AUTH' 'secret'"), 'ERR', 'INTERNAL'],
      [driverError('ReplyError', 'secret in lower case'), 'ERR', 'INTERNAL'],
      [driverError('Error', 'connect ECONNREFUSED secret', { code: 'ECONNREFUSED' }), 'ECONNREFUSED', 'OVERLOADED'],
      [driverError('AbortError', 'Command aborted due to secret'), 'connection lost', 'OVERLOADED'],
    ];
    for (const [error, reason, code] of cases) {
      Object.assign(error, { command: { name: 'auth', args: ['secret'] } });
      assert.equal(reasonOf(error), reason);
      const shown = toRedisError(error);
      assert.equal(shown.code, code);
      assert.equal(shown.cause, undefined);
      assert.ok(!`${shown.stack}${JSON.stringify(shown)}`.includes('secret'));
    }
  });

  it('of the house stay as they are', () => {
    const own = new HotpathError('SHUTTING_DOWN', 'closed');
    assert.equal(toRedisError(own), own);
  });
});
