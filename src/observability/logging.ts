/**
 * The logger: JSON lines by pino, written asynchronously and flushed when the process ends. Made by the composition root and handed
 * down as an argument (ports/logger.ts). Never writes one line per request by itself, and never a credential.
 */
import pino from 'pino';
import type { Logger } from '../ports/logger.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';
export const logLevels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent'];

export interface LeveledLogger extends Logger {
  readonly level: LogLevel;
  /** Takes effect with the next line. */
  setLevel(level: LogLevel): void;
  /** Writes out what is buffered, now and synchronously. Also happens by itself when the process ends in an orderly way. */
  flush(): void;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  /** A file descriptor, a file, or anything with write(). @default standard output */
  readonly destination?: number | string | { write(line: string): void };
}

const secretNames = ['authorization', 'Authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-api-key'];
const secretPaths = ['', '*.', '*.*.'].flatMap((prefix) =>
  secretNames.map((name) => (prefix === '' ? `["${name}"]` : `${prefix.slice(0, -1)}["${name}"]`)),
);

export function createLogger(options: LoggerOptions): LeveledLogger {
  const { destination = 1 } = options;
  const stream = typeof destination === 'object' ? destination : openStream(destination);
  const log = pino(
    {
      level: options.level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err, err: pino.stdSerializers.err },
      redact: { paths: secretPaths, censor: '[redacted]' },
    },
    stream,
  );
  return {
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => log.warn(fields, message),
    error: (fields, message) => log.error(fields, message),
    get level() {
      return log.level as LogLevel;
    },
    setLevel(level) {
      log.level = level;
    },
    flush() {
      if ('flushSync' in stream && typeof stream.flushSync === 'function') stream.flushSync();
    },
  };
}

/** Asynchronous, so that a slow terminal or disk never blocks the event loop; pino itself flushes the rest on exit. */
function openStream(target: number | string) {
  return pino.destination({ dest: target, sync: false, minLength: 0, mkdir: typeof target === 'string' });
}
