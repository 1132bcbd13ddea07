/** The PEM files of a TLS listener. Read once, when the server is made. */
import { readFileSync } from 'node:fs';
import type { GrpcConfig } from '../deps.ts';

export interface TlsFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Present: clients must show a certificate from one of these authorities. */
  readonly ca?: Buffer;
}

/** Undefined without TLS. @throws Error naming the setting, when a file is missing or cannot be read. */
export function readTlsFiles({ tlsCert, tlsKey, tlsClientCa }: GrpcConfig): TlsFiles | undefined {
  if (tlsCert === '' && tlsKey === '') {
    if (tlsClientCa !== '') throw new Error('tlsClientCa: needs tlsCert and tlsKey.');
    return undefined;
  }
  const files = { cert: readPem('tlsCert', tlsCert), key: readPem('tlsKey', tlsKey) };
  return tlsClientCa === '' ? files : { ...files, ca: readPem('tlsClientCa', tlsClientCa) };
}

function readPem(setting: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Error(`${setting}: cannot read "${file}" (${(error as NodeJS.ErrnoException).code}).`);
  }
}
