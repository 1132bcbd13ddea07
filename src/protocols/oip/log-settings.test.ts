import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HotpathError } from '../../core/errors.ts';
import { changedLevel, type LogLevel, logSettings } from './log-settings.ts';
import { refusal } from './testing/oip-fixtures.ts';
import { changedTrace, traceSettings } from './trace-settings.ts';

const levels: readonly LogLevel[] = ['silent', 'error', 'warn', 'info', 'debug'];

describe('log settings', () => {
  it('are the severities that the level includes', () => {
    assert.deepEqual(logSettings('warn'), {
      log_file: '',
      log_info: false,
      log_warning: true,
      log_error: true,
      log_verbose_level: 0,
      log_format: 'ISO8601',
    });
    assert.equal(logSettings('debug').log_verbose_level, 1);
    assert.equal(logSettings('silent').log_error, false);
  });

  it('change the level as little as the asked settings need', () => {
    assert.equal(changedLevel('info', { log_verbose_level: 2 }), 'debug');
    assert.equal(changedLevel('debug', { log_verbose_level: 0 }), 'info');
    assert.equal(changedLevel('info', { log_info: false }), 'warn');
    assert.equal(changedLevel('debug', { log_warnings: false }), 'error');
    assert.equal(changedLevel('silent', { log_warning: true }), 'warn');
    assert.equal(
      changedLevel('info', { log_error: true, log_info: null, log_format: 'ISO8601', log_file: '' }),
      'info',
    );
    assert.equal(changedLevel('info', {}), 'info');
  });

  it('keep what was asked, or the request is refused', () => {
    const names = { log_info: fc.boolean(), log_warning: fc.boolean(), log_error: fc.boolean() };
    fc.assert(
      fc.property(fc.constantFrom(...levels), fc.record(names, { requiredKeys: [] }), (level, asked) => {
        try {
          const settings = logSettings(changedLevel(level, asked));
          for (const [name, value] of Object.entries(asked)) assert.equal(settings[name as 'log_info'], value);
        } catch (error) {
          assert.ok(error instanceof HotpathError);
          const { log_info, log_warning, log_error } = asked;
          assert.ok(
            (log_info && (log_warning === false || log_error === false)) || (log_warning && log_error === false),
          );
        }
      }),
    );
  });

  it('cannot move the log, change its format, or be of unknown names and types', () => {
    assert.equal(refusal(() => changedLevel('info', { log_file: '/tmp/log' })).code, 'UNSUPPORTED');
    assert.equal(refusal(() => changedLevel('info', { log_format: 'default' })).code, 'UNSUPPORTED');
    assert.match(
      refusal(() => changedLevel('info', { level: 1 })).message,
      /^level: expected one of the settings "log_file"/,
    );
    assert.equal(
      refusal(() => changedLevel('info', { log_info: 1 })).message,
      'log_info: expected true or false, got number 1',
    );
    assert.match(
      refusal(() => changedLevel('info', { log_verbose_level: -1 })).message,
      /expected an integer from 0 on/,
    );
    assert.match(refusal(() => changedLevel('info', { constructor: true })).message, /^constructor: expected one of/);
  });
});

describe('trace settings', () => {
  it('take what is in force and refuse what would record traces', () => {
    assert.equal(changedTrace({ trace_level: ['OFF'], trace_rate: null }), traceSettings);
    assert.equal(refusal(() => changedTrace({ trace_level: ['TIMESTAMPS'] })).code, 'UNSUPPORTED');
    assert.equal(refusal(() => changedTrace({ trace_rate: '1' })).code, 'UNSUPPORTED');
    assert.match(refusal(() => changedTrace({ toString: 1 })).message, /^toString: expected one of "trace_level"/);
  });
});
