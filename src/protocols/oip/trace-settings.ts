/**
 * Trace settings, answered truthfully: this server records no traces of its own, so tracing is off and stays off. Clients that
 * read the settings or write what is in force get them; anything else is refused. Pure; for REST and gRPC.
 */
import { HotpathError } from '../../core/errors.ts';
import { listNames, quote } from '../codecs/value-text.ts';
import { expectedAt } from './field-errors.ts';

/** All values are strings in this extension. */
export const traceSettings = {
  trace_level: ['OFF'],
  trace_rate: '1000',
  trace_count: '-1',
  log_frequency: '0',
  trace_file: '',
  trace_mode: 'triton',
} as const;

export type TraceSettings = typeof traceSettings;

/** The settings after the asked changes, which are the same. @throws INVALID_INPUT, UNSUPPORTED for what would change them. */
export function changedTrace(body: Readonly<Record<string, unknown>>): TraceSettings {
  for (const name of Object.keys(body)) {
    const value = body[name];
    const current = (traceSettings as Readonly<Record<string, unknown>>)[name];
    if (current === undefined || !Object.hasOwn(traceSettings, name)) {
      throw expectedAt(name.slice(0, 100), `one of ${listNames(Object.keys(traceSettings))}`, quote(name));
    }
    if (value === null || JSON.stringify(value) === JSON.stringify(current)) continue;
    throw new HotpathError('UNSUPPORTED', `${name}: this server records no traces, so tracing stays off.`, {
      field: name,
    });
  }
  return traceSettings;
}
