/** `hotpath auth`: hashes passwords for authUsers, and rotates the keys that sign tokens. Starts no server; running ones notice by themselves. */
import { rotateKeyFile } from '../adapters/auth/key-file.ts';
import { hashPassword } from '../adapters/auth/password.ts';
import { loadConfig } from '../config/load.ts';
import { type CommandContext, type ExitCode, UsageError } from './command.ts';
import { type CommandFlags, readFlags } from './command-flags.ts';
import { type PasswordInput, readPassword } from './read-password.ts';

export const help = `Usage: hotpath auth hash
       hotpath auth rotate [--config <file>] [--auth-key-file <path>] [--algorithm EdDSA|ES256]

hash reads a password, from the terminal without showing it or from standard input, and prints the hash for authUsers.
rotate adds a key that signs tokens from now on. Tokens signed by the one before are accepted until they have expired.

  --config <file>         JSON file of settings (also HOTPATH_CONFIG)
  --auth-key-file <path>  The key file, instead of the configured one
  --algorithm <name>      Of the new key: EdDSA (Ed25519) or ES256 [EdDSA]`;

const options = {
  config: { type: 'string' },
  'auth-key-file': { type: 'string' },
  algorithm: { type: 'string' },
} as const;

/** Servers on clocks that differ by a minute, and one that read the file just before, must not refuse a fresh token. */
const slackMs = 180_000;

export function run(args: readonly string[], context: CommandContext): Promise<ExitCode> {
  return runAuth(args, context, process.stdin);
}

export async function runAuth(
  args: readonly string[],
  context: CommandContext,
  input: PasswordInput,
): Promise<ExitCode> {
  const { values, positionals } = readFlags(args, options);
  const [action, ...rest] = positionals;
  if (rest.length > 0) throw new UsageError(`Unexpected argument "${rest[0]}".`);
  if (action === 'hash') return printHash(context, input);
  if (action === 'rotate') return rotate(values, context);
  throw new UsageError('Say what to do: hash or rotate.');
}

async function printHash({ terminal }: CommandContext, input: PasswordInput): Promise<ExitCode> {
  const password = await readPassword(input, terminal);
  if (password === undefined) return 1;
  terminal.out(await hashPassword(password));
  return 0;
}

async function rotate(values: CommandFlags<typeof options>, { terminal, env }: CommandContext): Promise<ExitCode> {
  const { config: file, 'auth-key-file': path, algorithm = 'EdDSA' } = values;
  if (algorithm !== 'EdDSA' && algorithm !== 'ES256') throw new UsageError('--algorithm must be EdDSA or ES256.');
  const { config } = loadConfig({ file, env, flags: { 'auth-key-file': path } });
  const nowMs = Date.now();
  try {
    const verifyUntilMs = nowMs + config.authTokenTtlMs + slackMs;
    const { keys } = await rotateKeyFile(config.authKeyFile, algorithm, nowMs, verifyUntilMs);
    terminal.out(`Key ${keys.at(-1)!.kid} signs from now on.`);
    terminal.out(`Tokens of the key before are accepted until ${new Date(verifyUntilMs).toISOString()}.`);
    return 0;
  } catch (error) {
    terminal.err(`hotpath: Cannot rotate the keys in ${config.authKeyFile}: ${(error as Error).message}`);
    return 1;
  }
}
