/**
 * The effective configuration from its four sources: default < file < environment < flag. Called once at start by the CLI.
 * Collects every problem before it throws, and freezes what it returns; nothing may change a setting afterwards.
 */
import { readFileSync } from 'node:fs';
import { checkAuth } from './auth-fields.ts';
import { ConfigError } from './config-error.ts';
import { envName, envPrefix, flagName, settingByEnvName, settingByFlagName, settingNames } from './env-name.ts';
import { parseValue, type SettingValue } from './parse-value.ts';
import { type Config, type Setting, type SettingName, settings } from './schema.ts';
import { didYouMean } from './suggest.ts';

export type ValueSource = 'default' | 'file' | 'env' | 'flag';

export interface ConfigSources {
  /** Path of a JSON file. @default env.HOTPATH_CONFIG, else none */
  readonly file?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** By flag name without dashes: `{'max-body-bytes': '1MiB', watch: true}`. */
  readonly flags: Readonly<Record<string, string | boolean | undefined>>;
}

export interface LoadedConfig {
  readonly config: Config;
  readonly provenance: Readonly<Record<SettingName, ValueSource>>;
  /** The file that was read, if any. */
  readonly file: string | undefined;
}

/** HOTPATH_* variables that are no settings. HOTPATH_TEST_* belongs to the tests. */
const otherVariables = new Set(['HOTPATH_API_KEY', 'HOTPATH_CONFIG', 'HOTPATH_FIXTURES', 'HOTPATH_FUZZ_RUNS']);

class Draft {
  readonly values = new Map<SettingName, SettingValue>();
  readonly provenance = {} as Record<SettingName, ValueSource>;
  readonly problems: string[] = [];

  constructor() {
    for (const name of settingNames) {
      this.values.set(name, settings[name].default);
      this.provenance[name] = 'default';
    }
  }

  set(name: SettingName, raw: unknown, source: ValueSource, field: string): void {
    const setting: Setting<unknown> = settings[name];
    const parsed = parseValue(setting, raw, source !== 'file');
    if (parsed.ok) {
      this.values.set(name, parsed.value);
      this.provenance[name] = source;
    } else {
      this.problems.push(`${field} must be ${parsed.expected}, not ${JSON.stringify(raw)}.`);
    }
  }
}

function readFile(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError([`Configuration file ${path} cannot be read (${(error as NodeJS.ErrnoException).code}).`]);
  }
  let content: unknown;
  try {
    // A byte order mark is what Windows editors leave behind.
    content = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new ConfigError([`Configuration file ${path} is not valid JSON: ${(error as Error).message}.`]);
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new ConfigError([`Configuration file ${path} must hold one JSON object of settings.`]);
  }
  return content as Record<string, unknown>;
}

function applyFile(draft: Draft, path: string): void {
  for (const [key, raw] of Object.entries(readFile(path))) {
    if (key === '$schema') continue;
    if (Object.hasOwn(settings, key)) {
      draft.set(key as SettingName, raw, 'file', `"${key}" in ${path}`);
    } else {
      draft.problems.push(`"${key}" in ${path} is no setting.${didYouMean(key, settingNames, (name) => `"${name}"`)}`);
    }
  }
}

function applyEnv(draft: Draft, env: ConfigSources['env']): void {
  for (const [variable, raw] of Object.entries(env)) {
    if (!variable.startsWith(envPrefix)) continue;
    if (otherVariables.has(variable) || variable.startsWith('HOTPATH_TEST_')) continue;
    const name = settingByEnvName.get(variable);
    if (name === undefined) {
      const suggestion = didYouMean(variable, [...settingByEnvName.keys(), ...otherVariables]);
      draft.problems.push(`Environment variable ${variable} is no setting.${suggestion}`);
    } else if (raw !== undefined && raw !== '') {
      // Empty counts as not set: that is what `FOO= command` and an empty Helm value mean.
      draft.set(name, raw, 'env', `Environment variable ${variable}`);
    }
  }
}

function applyFlags(draft: Draft, flags: ConfigSources['flags']): void {
  for (const [flag, raw] of Object.entries(flags)) {
    if (raw === undefined) continue;
    const name = settingByFlagName.get(flag);
    if (name === undefined) {
      const suggestion = didYouMean(flag, settingByFlagName.keys(), (known) => `--${known}`);
      draft.problems.push(`Flag --${flag} is unknown.${suggestion}`);
    } else {
      draft.set(name, raw, 'flag', `Flag --${flag}`);
    }
  }
}

/** The three names of a setting, so that the reader finds the one they used. */
function allNames(name: SettingName): string {
  return `${name} (--${flagName(name)}, ${envName(name)})`;
}

function crossCheck(config: Config): string[] {
  const problems: string[] = [];
  if ((config.tlsCert === '') !== (config.tlsKey === '')) {
    const [given, missing] =
      config.tlsCert === '' ? (['tlsKey', 'tlsCert'] as const) : (['tlsCert', 'tlsKey'] as const);
    problems.push(`${given} is set, so ${allNames(missing)} must be set too.`);
  }
  const hasTls = config.tlsCert !== '' && config.tlsKey !== '';
  if (config.http2 === 'tls' && !hasTls) {
    problems.push(`http2 is "tls", so ${allNames('tlsCert')} and ${allNames('tlsKey')} must be set.`);
  }
  if (config.http2 === 'h2c' && hasTls) {
    problems.push(`http2 is "h2c", which is without TLS: ${allNames('http2')} must be "tls" to go with tlsCert.`);
  }
  const sharesAddress =
    [config.host, '0.0.0.0', '::'].includes(config.adminHost) || ['0.0.0.0', '::'].includes(config.host);
  if (config.adminEnabled && config.port !== 0 && config.port === config.adminPort && sharesAddress) {
    problems.push(`${allNames('adminPort')} must differ from port (${config.port}), or be 0.`);
  }
  if (config.grpcEnabled && config.grpcPort !== 0 && config.grpcPort === config.port) {
    problems.push(`${allNames('grpcPort')} must differ from port (${config.port}), or be 0.`);
  }
  if (config.tlsClientCa !== '' && !hasTls) {
    problems.push(`tlsClientCa is set, so ${allNames('tlsCert')} and ${allNames('tlsKey')} must be set.`);
  }
  problems.push(...checkAuth(config).problems);
  return problems;
}

/**
 * @throws ConfigError with every problem found: unknown names (with the nearest known one), wrong values, settings that
 *         contradict each other.
 */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const draft = new Draft();
  const file = sources.file ?? (sources.env.HOTPATH_CONFIG || undefined);
  if (file !== undefined) applyFile(draft, file);
  applyEnv(draft, sources.env);
  applyFlags(draft, sources.flags);
  if (draft.problems.length > 0) throw new ConfigError(draft.problems);
  const config = Object.freeze(Object.fromEntries(draft.values)) as Config;
  const contradictions = crossCheck(config);
  if (contradictions.length > 0) throw new ConfigError(contradictions);
  return { config, provenance: Object.freeze(draft.provenance), file };
}
