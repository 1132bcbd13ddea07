/** Why a server could not start, as a sentence for the operator. Called by serve.ts and serve-process.ts. */
import type { Config } from '../config/schema.ts';
import { HotpathError } from '../core/errors.ts';

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is in use by another process',
  EACCES: 'this user may not listen there',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'there is no such host name',
};

interface ListenError {
  readonly code?: string;
  readonly address?: string;
  readonly port?: number;
}

/** A sentence for what an operator can cause and mend; undefined for the rest, which is a bug and deserves its stack. */
export function describeStartError(error: unknown, config: Pick<Config, 'tlsCert' | 'tlsKey'>): string | undefined {
  const { code, address, port } = error as ListenError;
  if (code !== undefined && Object.hasOwn(reasons, code)) {
    const where = address === undefined ? 'as configured' : `at ${address}${port === undefined ? '' : `:${port}`}`;
    return `Cannot listen ${where}: ${reasons[code]} (${code}).`;
  }
  // Its sentence was written for operators: a database that cannot be had, a key file that cannot be used.
  if (error instanceof HotpathError && error.code !== 'INTERNAL') return error.message;
  if (error instanceof Error && error.name === 'KeyFileError') return error.message;
  const isTls = config.tlsCert !== '' && (code === 'ENOENT' || code?.startsWith('ERR_OSSL'));
  return isTls ? `The TLS files ${config.tlsCert} and ${config.tlsKey} cannot be used (${code}).` : undefined;
}
