/**
 * Flags of the commands that take settings (`serve`, `config`): every setting is a flag, besides --config and the command's own.
 * Unknown flags and wrong values are left to config/load.ts, which reports them all at once.
 */
import { parseArgs } from 'node:util';
import { flagName, settingNames } from '../config/env-name.ts';
import { settings } from '../config/schema.ts';
import { UsageError } from './command.ts';

export interface SettingFlags {
  /** --config */
  readonly file: string | undefined;
  /** Settings, by flag name. */
  readonly flags: Readonly<Record<string, string | boolean>>;
  /** The command's own boolean flags that were given. */
  readonly own: ReadonlySet<string>;
}

const settingOptions = Object.fromEntries(
  settingNames.map((name) => [
    flagName(name),
    { type: settings[name].type === 'boolean' ? ('boolean' as const) : ('string' as const) },
  ]),
);

/** @throws UsageError for positional arguments and for --config without a path. */
export function parseSettingFlags(args: readonly string[], ownFlags: readonly string[] = []): SettingFlags {
  const own = Object.fromEntries(ownFlags.map((flag) => [flag, { type: 'boolean' as const }]));
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { ...settingOptions, ...own, config: { type: 'string' } },
    // Not strict: parseArgs would stop at the first unknown flag, without a suggestion.
    strict: false,
    allowNegative: true,
  });
  const { config: file, ...rest } = values as Record<string, string | boolean>;
  if (file !== undefined && typeof file !== 'string') throw new UsageError('Flag --config must be followed by a path.');
  const given = new Set(ownFlags.filter((flag) => rest[flag] === true));
  const flags = Object.fromEntries(Object.entries(rest).filter(([flag]) => !ownFlags.includes(flag)));
  const unknown = Object.keys(flags).some((flag) => !Object.hasOwn(settingOptions, flag));
  // The value of an unknown flag looks positional; the flag is the better complaint.
  if (positionals.length > 0 && !unknown) throw new UsageError(`Unexpected argument "${positionals[0]}".`);
  return { file, flags, own: given };
}
