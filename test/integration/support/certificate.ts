/** Certificates for tests of TLS, made by openssl: signed by themselves, for localhost. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Why such tests are skipped; false where openssl is there. */
export function withoutOpenssl(): string | false {
  try {
    execFileSync('openssl', ['version']);
    return false;
  } catch {
    return 'no openssl to make certificates with';
  }
}

/** Writes `<name>.pem` and `<name>.key` into the folder and returns their paths; what it signs may be trusted as well. */
export function makeCertificate(folder: string, name: string): { tlsCert: string; tlsKey: string } {
  const [tlsCert, tlsKey] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  const kind = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const names = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  execFileSync('openssl', [...kind, ...names, '-keyout', tlsKey, '-out', tlsCert], { stdio: 'ignore' });
  return { tlsCert, tlsKey };
}
