/** `hotpath config`: the effective configuration with where each value came from. Reads what `serve` would read, starts nothing. */
import { settingNames } from '../config/env-name.ts';
import { loadConfig } from '../config/load.ts';
import { formatValue, redacted } from '../config/reference.ts';
import type { CommandContext, ExitCode } from './command.ts';
import { parseSettingFlags } from './parse-flags.ts';
import { renderTable } from './table.ts';

export const help = `Usage: hotpath config [--config <file>] [--json] [flags of serve]

Prints every setting, its value and its source: default, file, env or flag.

  --config <file>  JSON file of settings (also HOTPATH_CONFIG)
  --json           Print {"<setting>": {"value", "source"}} instead of a table`;

export async function run(args: readonly string[], { terminal, env }: CommandContext): Promise<ExitCode> {
  const { file, flags, own } = parseSettingFlags(args, ['json']);
  const { config, provenance } = loadConfig({ file, env, flags });
  if (own.has('json')) {
    const entries = settingNames.map((name) => [
      name,
      { value: redacted(name, config[name]), source: provenance[name] },
    ]);
    terminal.out(JSON.stringify(Object.fromEntries(entries), undefined, 2));
    return 0;
  }
  const rows = settingNames.map((name) => [name, formatValue(name, config[name]), provenance[name]]);
  terminal.out(renderTable(['SETTING', 'VALUE', 'SOURCE'], rows, terminal.style));
  return 0;
}
