/** `hotpath models`: what a running server serves, as a table. Reads GET /api/v1/models, changes nothing. */
import { parseArgs } from 'node:util';
import { AskError, askServer, defaultServerUrl } from './ask-server.ts';
import { type CommandContext, type ExitCode, UsageError } from './command.ts';
import { renderTable } from './table.ts';

export const help = `Usage: hotpath models [--url <server>] [--json]

Lists the models of a running server: name, version, state, whether requests are joined into batches, and why not.

  --url <server>  Address of the server [${defaultServerUrl}]
  --json          Print the server's answer as it is`;

/** The part of the answer that is shown. */
interface ModelRow {
  readonly name: string;
  readonly version: string;
  readonly state: string;
  readonly reason?: string;
  readonly labels?: readonly string[];
  readonly loaded?: {
    readonly batching?: { readonly enabled: boolean; readonly reason?: string; readonly maxBatchSize: number };
  };
}

function describeBatching(model: ModelRow): string {
  const batching = model.loaded?.batching;
  if (batching === undefined) return '-';
  return batching.enabled ? `up to ${batching.maxBatchSize}` : 'off';
}

/** The server's answer as a table; `{models: [...]}` or the bare list. */
export function renderModels(answer: unknown, style: CommandContext['terminal']['style']): string {
  const list = (Array.isArray(answer) ? answer : (answer as { models?: unknown }).models) as
    | readonly ModelRow[]
    | undefined;
  if (list === undefined || list.length === 0) return 'No models. Put one at models/<name>/1/model.onnx.';
  const rows = list.map((model) => [
    model.name,
    [model.version, ...(model.labels ?? [])].join(' '),
    model.state,
    describeBatching(model),
    model.reason ?? model.loaded?.batching?.reason ?? '',
  ]);
  return renderTable(['MODEL', 'VERSION', 'STATE', 'BATCHING', 'REASON'], rows, style);
}

function parse(args: readonly string[]): { url: string; json: boolean } {
  try {
    const { values } = parseArgs({ args: [...args], options: { url: { type: 'string' }, json: { type: 'boolean' } } });
    return { url: values.url ?? defaultServerUrl, json: values.json ?? false };
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

export async function run(args: readonly string[], { terminal }: CommandContext): Promise<ExitCode> {
  const { url, json } = parse(args);
  try {
    const answer = await askServer(url, '/api/v1/models');
    terminal.out(json ? JSON.stringify(answer, undefined, 2) : renderModels(answer, terminal.style));
    return 0;
  } catch (error) {
    if (!(error instanceof AskError)) throw error;
    terminal.err(`hotpath: ${error.message}`);
    return 1;
  }
}
