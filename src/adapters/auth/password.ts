/**
 * Passwords by scrypt (node:crypto, in the thread pool): made by `hotpath auth hash`, checked by the login. The text form
 * `scrypt$N=16384,r=8,p=5$<salt>$<hash>` is read by config/auth-fields.ts.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import type { PasswordHash } from '../../ports/access-config.ts';

/** OWASP's setting of 16 MiB and about 100 ms; see its password storage sheet. */
const parameters = { cost: 16_384, blockSize: 8, parallel: 5 };
const hashBytes = 32;
const saltBytes = 16;

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(saltBytes);
  const hash = await derive(password, { ...parameters, salt }, hashBytes);
  const { cost, blockSize, parallel } = parameters;
  return `scrypt$N=${cost},r=${blockSize},p=${parallel}$${salt.toString('base64url')}$${hash.toString('base64url')}`;
}

export async function verifyPassword(password: string, stored: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, stored, stored.hash.length), stored.hash);
}

/** Fits no password. It takes the parameters of a hash in use, so that unknown names take as long as known ones. */
export function decoyHash(like: PasswordHash | undefined): PasswordHash {
  return { ...parameters, ...like, salt: randomBytes(saltBytes), hash: randomBytes(like?.hash.length ?? hashBytes) };
}

function derive(
  password: string,
  { cost, blockSize, parallel, salt }: Omit<PasswordHash, 'hash'>,
  length: number,
): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  // Twice what it needs; Node's default of 32 MiB refuses larger parameters.
  const maxmem = 256 * cost * blockSize + 256 * blockSize * parallel;
  // One password may be written in several ways in Unicode.
  scrypt(password.normalize('NFKC'), salt, length, { N: cost, r: blockSize, p: parallel, maxmem }, (error, key) =>
    error === null ? resolve(key) : reject(error),
  );
  return promise;
}
