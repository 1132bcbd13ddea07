/** `hotpath inspect model.onnx`: what is inside a model file, as tables or JSON. Reads the file, runs nothing, changes nothing. */
import { parseArgs } from 'node:util';
import { HotpathError } from '../core/errors.ts';
import { inspectModel } from '../optimizer/graph/inspect/inspect-model.ts';
import { loadDamaged } from '../optimizer/graph/load.ts';
import { type CommandContext, type ExitCode, UsageError } from './command.ts';
import { renderInspection } from './inspect-text.ts';

export const help = `Usage: hotpath inspect <model.onnx> [--layers <number>] [--json]

Shows a model's signature, operators, weights, operations per layer, and which layers could be made smaller, without running it.
Exit code 1 when the file is damaged; what could be read of it is shown all the same.

  --layers <number>  How many layers to list, largest first [20]
  --json             Everything, as JSON`;

interface Question {
  readonly path: string;
  readonly layers: number;
  readonly json: boolean;
}

function parse(args: readonly string[]): Question {
  let parsed: { values: { layers?: string; json?: boolean }; positionals: string[] };
  try {
    parsed = parseArgs({
      args: [...args],
      options: { layers: { type: 'string' }, json: { type: 'boolean' } },
      allowPositionals: true,
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const [path, ...others] = parsed.positionals;
  if (path === undefined || others.length > 0) throw new UsageError('Give one model file.');
  const { layers = '20', json = false } = parsed.values;
  if (!/^\d{1,9}$/.test(layers)) throw new UsageError(`Flag --layers must be a whole number, not "${layers}".`);
  return { path, layers: Number(layers), json };
}

export async function run(args: readonly string[], { terminal }: CommandContext): Promise<ExitCode> {
  const { path, layers, json } = parse(args);
  try {
    const { graph, problems } = loadDamaged(path);
    const report = inspectModel(graph, problems);
    terminal.out(json ? JSON.stringify(report, undefined, 2) : renderInspection(report, layers, terminal.style));
    return problems.length === 0 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof HotpathError)) throw error;
    terminal.err(`hotpath: ${error.message}`);
    return 1;
  }
}
