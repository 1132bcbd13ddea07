/**
 * The table of settings as Markdown (docs/reference/config.md) and as the flag list of `hotpath serve --help`.
 * Called by scripts/generate-docs.ts, test/docs.test.ts and the CLI. Must never hold a word about one setting: that is schema.ts.
 */
import { envName, flagName, settingNames } from './env-name.ts';
import { type Setting, type SettingName, settings } from './schema.ts';
import { formatBytes, formatDurationMs } from './units.ts';

/** A value as an operator would write it: `64MiB`, `30s`, `""` for empty text. */
export function formatValue(name: SettingName, value: unknown): string {
  const { type } = settings[name];
  if (type === 'bytes') return formatBytes(value as number);
  if (type === 'durationMs') return formatDurationMs(value as number);
  if (type === 'list') return JSON.stringify(redacted(name, value));
  if (name === 'redisUrl' || name === 'databaseUrl') return String(redacted(name, value)) || '""';
  return value === '' ? '""' : String(value);
}

/** Without the secrets in it: passwords of URLs, hashes of users' passwords. */
export function redacted(name: SettingName, value: unknown): unknown {
  if (name === 'redisUrl' || name === 'databaseUrl') {
    return String(value)
      .replace(/(:\/\/[^/@]*?):[^@]*@/, '$1:***@')
      .replace(/([?&](?:password|pass)=)[^&]*/gi, '$1***');
  }
  if (name !== 'authUsers') return value;
  const hide = (user: unknown): unknown =>
    typeof user === 'object' && user !== null && 'password' in user ? { ...user, password: '***' } : user;
  return (value as readonly unknown[]).map(hide);
}

function describeRange(setting: Setting<unknown>): string {
  if (setting.values !== undefined) return setting.values.map((value) => `\`${value}\``).join(', ');
  if (setting.min === undefined || setting.max === undefined) return setting.type;
  return setting.max >= Number.MAX_SAFE_INTEGER
    ? `${setting.type}, at least ${setting.min}`
    : `${setting.type}, ${setting.min} to ${setting.max}`;
}

const typeWords = { bytes: 'bytes', durationMs: 'duration' } as const;

function describeType(setting: Setting<unknown>): string {
  return setting.type === 'bytes' || setting.type === 'durationMs' ? typeWords[setting.type] : describeRange(setting);
}

function row(name: SettingName): string {
  const setting: Setting<unknown> = settings[name];
  const help = setting.help.replaceAll('|', '\\|').replaceAll('<', '&lt;');
  return `| \`${name}\` | \`${envName(name)}\` | \`--${flagName(name)}\` | ${describeType(setting)} | \`${formatValue(name, setting.default)}\` | ${help} |`;
}

/** The whole of docs/reference/config.md. */
export function renderConfigReference(): string {
  return `# Settings of the server

Generated from \`src/config/schema.ts\` by \`npm run docs\`; do not edit. [How to set them](../guides/configuration.md).

Each setting has three names: a key of the JSON configuration file, an environment variable and a flag.
Bytes accept a number or \`"64MiB"\`, \`"1GB"\`, \`"512k"\`; durations a number of milliseconds or \`"500ms"\`, \`"30s"\`, \`"2m"\`.

| Key | Variable | Flag | Value | Default | Meaning |
|---|---|---|---|---|---|
${settingNames.map(row).join('\n')}
`;
}

/** One line per setting for the terminal: flag, help, default. */
export function renderFlagHelp(): string {
  const flags = settingNames.map((name) => {
    const setting: Setting<unknown> = settings[name];
    const argument =
      setting.type === 'boolean' ? '' : ` <${setting.values?.join('|') ?? describeType(setting).split(',')[0]}>`;
    const negatable = setting.type === 'boolean' ? '[no-]' : '';
    return { text: `--${negatable}${flagName(name)}${argument}`, name, setting };
  });
  const width = 30;
  return flags
    .map(({ text, name, setting }) => {
      const gap = text.length > width ? `\n${' '.repeat(width + 4)}` : ' '.repeat(width + 2 - text.length);
      return `  ${text}${gap}${setting.help} [${formatValue(name, setting.default)}]`;
    })
    .join('\n');
}
