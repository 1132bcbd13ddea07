/**
 * The outer names of a setting: `maxBodyBytes` is HOTPATH_MAX_BODY_BYTES in the environment and --max-body-bytes as a flag.
 * Called by load.ts, reference.ts and the CLI's help. Must never know a single setting by name.
 */
import { type SettingName, settings } from './schema.ts';

export const envPrefix = 'HOTPATH_';

/** Every setting, in the order of the table. */
export const settingNames = Object.keys(settings) as readonly SettingName[];

function splitWords(name: string): string[] {
  return name.replace(/([a-z0-9])([A-Z])/g, '$1 $2').split(' ');
}

/** `maxBodyBytes` -> `HOTPATH_MAX_BODY_BYTES`. */
export function envName(setting: string): string {
  return envPrefix + splitWords(setting).join('_').toUpperCase();
}

/** `maxBodyBytes` -> `max-body-bytes`, without the dashes in front. */
export function flagName(setting: string): string {
  return splitWords(setting).join('-').toLowerCase();
}

export const settingByEnvName: ReadonlyMap<string, SettingName> = new Map(
  settingNames.map((name) => [envName(name), name]),
);
export const settingByFlagName: ReadonlyMap<string, SettingName> = new Map(
  settingNames.map((name) => [flagName(name), name]),
);
