/**
 * The logging extension on our one log level. Triton switches each severity by itself; here a level includes all that are more
 * severe, so a request that would leave a gap is refused. Verbose is our debug. Pure; for REST and gRPC.
 */
import { HotpathError } from '../../core/errors.ts';
import { describeValue, listNames, quote } from '../codecs/value-text.ts';
import { expectedAt } from './field-errors.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface LogSettings {
  /** Always empty: the log goes where the operator said. */
  readonly log_file: '';
  readonly log_info: boolean;
  readonly log_warning: boolean;
  readonly log_error: boolean;
  /** 1 when debug lines are written, else 0. */
  readonly log_verbose_level: number;
  /** The log is JSON lines with ISO 8601 times. */
  readonly log_format: 'ISO8601';
}

/** By rank: each level writes its own severity and all before it. */
const levels: readonly LogLevel[] = ['silent', 'error', 'warn', 'info', 'debug'];

/** Setting -> rank. Triton's documentation has the plurals, its server the others. */
const ranks: ReadonlyMap<string, number> = new Map([
  ['log_error', 1],
  ['log_errors', 1],
  ['log_warning', 2],
  ['log_warnings', 2],
  ['log_info', 3],
  ['log_verbose_level', 4],
]);

export function logSettings(level: LogLevel): LogSettings {
  const rank = levels.indexOf(level);
  return {
    log_file: '',
    log_info: rank >= 3,
    log_warning: rank >= 2,
    log_error: rank >= 1,
    log_verbose_level: rank >= 4 ? 1 : 0,
    log_format: 'ISO8601',
  };
}

/** The level after the asked changes; null leaves a setting. @throws INVALID_INPUT, UNSUPPORTED for file and format. */
export function changedLevel(level: LogLevel, body: Readonly<Record<string, unknown>>): LogLevel {
  let low = 0;
  let high = levels.length - 1;
  for (const name of Object.keys(body)) {
    const value = body[name];
    if (value === null || isFixed(name, value)) continue;
    const rank = ranks.get(name);
    if (rank === undefined) throw unknownSetting(name);
    if (isOn(name, value)) low = Math.max(low, rank);
    else high = Math.min(high, rank - 1);
  }
  if (low > high) {
    throw expectedAt('log_info', 'every severity above one that is written to be written too', 'a gap between them');
  }
  return levels[Math.min(Math.max(levels.indexOf(level), low), high)]!;
}

function isFixed(name: string, value: unknown): boolean {
  if (name !== 'log_file' && name !== 'log_format') return false;
  if (value === logSettings('info')[name]) return true;
  throw new HotpathError(
    'UNSUPPORTED',
    `${name}: cannot be changed over the network; the log is JSON lines with ISO 8601 times.`,
    {
      field: name,
    },
  );
}

function isOn(name: string, value: unknown): boolean {
  if (name !== 'log_verbose_level') {
    if (typeof value === 'boolean') return value;
    throw expectedAt(name, 'true or false', describeValue(value));
  }
  const number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number === 'number' && Number.isInteger(number) && number >= 0) return number > 0;
  throw expectedAt(name, 'an integer from 0 on', describeValue(value));
}

function unknownSetting(name: string): Error {
  const known = listNames(Object.keys(logSettings('info')));
  return expectedAt(name.slice(0, 100), `one of the settings ${known}`, quote(name));
}
