/** Public keys by kid, as jose takes them. Imported once; only those an allow-list of algorithms can use. Used for own and foreign keys. */
import type { CryptoKey, JWK } from 'jose';

export interface VerificationKey {
  readonly kid: string | undefined;
  readonly alg: string;
  readonly key: CryptoKey;
}

/** What a key of this kind may verify. Shared secrets (`oct`) verify nothing here. */
function fits({ kty, crv, alg }: JWK, algorithm: string): boolean {
  if (alg !== undefined && alg !== algorithm && !(isEdwards(alg) && isEdwards(algorithm))) return false;
  if (algorithm.startsWith('RS') || algorithm.startsWith('PS')) return kty === 'RSA';
  if (isEdwards(algorithm)) return kty === 'OKP' && crv === 'Ed25519';
  const curves: Readonly<Record<string, string>> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' };
  return kty === 'EC' && crv !== undefined && crv === curves[algorithm];
}

function isEdwards(algorithm: string): boolean {
  return algorithm === 'EdDSA' || algorithm === 'Ed25519';
}

/** RFC 7518 wants 2048 bits at least. */
function isWeak({ algorithm }: CryptoKey): boolean {
  return 'modulusLength' in algorithm && (algorithm.modulusLength as number) < 2048;
}

/** One entry per key and algorithm; keys that cannot be read, or are for encryption, are left out. */
export async function importKeys(
  jwks: readonly unknown[],
  algorithms: readonly string[],
): Promise<readonly VerificationKey[]> {
  const { importJWK } = await import('jose');
  const keys: VerificationKey[] = [];
  for (const jwk of jwks as readonly JWK[]) {
    if (typeof jwk !== 'object' || jwk === null || (jwk.use !== undefined && jwk.use !== 'sig')) continue;
    // A private key published by mistake is used as the public one that it contains.
    const { kty, crv, n, e, x, y, kid } = jwk;
    const publicJwk = JSON.parse(JSON.stringify({ kty, crv, n, e, x, y })) as JWK;
    for (const alg of algorithms.filter((each) => fits(jwk, each))) {
      const key = await importJWK(publicJwk, alg).catch(() => undefined);
      if (key === undefined || key instanceof Uint8Array || isWeak(key as CryptoKey)) continue;
      keys.push({ kid: typeof kid === 'string' ? kid : undefined, alg, key: key as CryptoKey });
    }
  }
  return keys;
}

/** Without a kid only when there is no choice. */
export function selectKey(
  keys: readonly VerificationKey[],
  kid: string | undefined,
  alg: string,
): CryptoKey | undefined {
  const usable = keys.filter((key) => key.alg === alg && (kid === undefined || key.kid === kid));
  return usable.length === 1 || kid !== undefined ? usable[0]?.key : undefined;
}
