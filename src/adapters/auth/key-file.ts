/**
 * The file of the keys that sign tokens: JSON, mode 0600, made at the first use. Several processes may start at once: each writes a file
 * of its own and links it to the name, which succeeds for one; the others read that one's. Must never be half written.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

export type OwnAlgorithm = 'EdDSA' | 'ES256';

export interface SigningKey {
  readonly kid: string;
  readonly alg: OwnAlgorithm;
  /** Unix milliseconds. */
  readonly createdMs: number;
  /** Until when tokens signed by it are accepted; undefined: it signs. */
  readonly verifyUntilMs?: number | undefined;
  /** The private key. */
  readonly jwk: Readonly<Record<string, unknown>>;
}

export interface KeyFileContent {
  /** Oldest first; the last one signs. */
  readonly keys: readonly SigningKey[];
}

/** What is wrong with the file, for the operator. */
export class KeyFileError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'KeyFileError';
  }
}

export function generateKey(alg: OwnAlgorithm, nowMs: number): SigningKey {
  const { privateKey } =
    alg === 'EdDSA' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = privateKey.export({ format: 'jwk' }) as Readonly<Record<string, unknown>>;
  return { kid: randomBytes(12).toString('base64url'), alg, createdMs: nowMs, jwk };
}

/**
 * Reads the keys, making the file when there is none.
 * @throws KeyFileError when it is no such file; errors of the file system.
 */
export async function openKeyFile(path: string, nowMs: number): Promise<KeyFileContent> {
  const existing = await readKeyFile(path);
  if (existing !== undefined) return existing;
  const temporary = await writeTemporary(path, { keys: [generateKey('EdDSA', nowMs)] });
  try {
    await link(temporary, path);
  } catch (error) {
    // Another process was faster.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(temporary, { force: true });
  }
  const content = await readKeyFile(path);
  if (content === undefined) throw new KeyFileError(`The key file ${path} was removed while it was made.`);
  return content;
}

/**
 * Adds a key that signs from now on. The one before is kept until `verifyUntilMs`; those that nothing needs any more go.
 * @throws KeyFileError also when another process rotates at this moment.
 */
export async function rotateKeyFile(
  path: string,
  alg: OwnAlgorithm,
  nowMs: number,
  verifyUntilMs: number,
): Promise<KeyFileContent> {
  await openKeyFile(path, nowMs);
  const lock = `${path}.lock`;
  await takeLock(lock);
  try {
    const { keys } = await openKeyFile(path, nowMs);
    const kept = keys
      .map((key) => (key.verifyUntilMs === undefined ? { ...key, verifyUntilMs } : key))
      .filter((key) => key.verifyUntilMs! > nowMs);
    const content = { keys: [...kept, generateKey(alg, nowMs)] };
    await rename(await writeTemporary(path, content), path);
    return content;
  } finally {
    await rm(lock, { force: true });
  }
}

/** Undefined: there is no file. */
export async function readKeyFile(path: string): Promise<KeyFileContent | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const content = parse(text);
  if (content === undefined)
    throw new KeyFileError(`${path} is not a file of token keys; remove it to have a new one made.`);
  return content;
}

/** Whether others than its owner may read it. */
export async function isExposed(path: string): Promise<boolean> {
  return process.platform !== 'win32' && ((await stat(path)).mode & 0o077) !== 0;
}

function parse(text: string): KeyFileContent | undefined {
  try {
    const { keys } = JSON.parse(text) as { keys?: unknown };
    return Array.isArray(keys) && keys.length > 0 && keys.every(isSigningKey) ? { keys } : undefined;
  } catch {
    return undefined;
  }
}

function isSigningKey(value: unknown): value is SigningKey {
  const { kid, alg, createdMs, verifyUntilMs, jwk } = (value ?? {}) as Partial<SigningKey>;
  const isCurve = alg === 'EdDSA' ? jwk?.crv === 'Ed25519' : alg === 'ES256' && jwk?.crv === 'P-256';
  const isTime = (time: unknown) => typeof time === 'number';
  return (
    typeof kid === 'string' &&
    isCurve &&
    typeof jwk?.d === 'string' &&
    isTime(createdMs) &&
    (verifyUntilMs === undefined || isTime(verifyUntilMs))
  );
}

/** On the disk before it gets its name, or a crash could leave an empty file under it. */
async function writeTemporary(path: string, content: KeyFileContent): Promise<string> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true });
  const temporary = `${path}.${process.pid}.${randomBytes(6).toString('hex')}`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(content, undefined, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  return temporary;
}

async function takeLock(lock: string): Promise<void> {
  try {
    await (await open(lock, 'wx', 0o600)).close();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new KeyFileError(`Another process rotates the keys; if none does, remove ${lock}.`, { cause: error });
  }
}
