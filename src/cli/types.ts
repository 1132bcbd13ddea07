/** `hotpath types iris`: TypeScript types of models, for the typed clients. Reads a running server or a file, changes neither. */
import { readFile, writeFile } from 'node:fs/promises';
import { defaultServerUrl } from './ask-server.ts';
import { type CommandContext, type ExitCode, UsageError } from './command.ts';
import { readFlags } from './command-flags.ts';
import { renderModelTypes, type TypedModel } from './model-types-text.ts';
import { fromAll, fromFile, fromServer, NoSignatureError } from './types-source.ts';

export const help = `Usage: hotpath types <model>... [--url <server>] [--out <file>]
       hotpath types --all [--url <server>] [--out <file>]
       hotpath types <model> --file <model.onnx> [--out <file>]

Writes the interface Models for createClient<Models>() of hotpath/client: wrong names, datatypes and ranks then fail to compile.

  --url <server>  A server of the Open Inference Protocol [${defaultServerUrl}]
  --all           Every model of the server, which must be a Hotpath
  --file <path>   The signature of a file instead of a server's
  --out <file>    Write to a file instead of printing; one that is right already is not touched`;

interface Question {
  readonly names: readonly string[];
  readonly url: string;
  readonly all: boolean;
  readonly file: string | undefined;
  readonly out: string | undefined;
}

const options = {
  url: { type: 'string' },
  all: { type: 'boolean' },
  file: { type: 'string' },
  out: { type: 'string' },
} as const;

function parse(args: readonly string[]): Question {
  const parsed = readFlags(args, options);
  const { url, all = false, file, out } = parsed.values;
  const names = [...new Set(parsed.positionals)];
  if (all === names.length > 0) throw new UsageError('Give the names of models, or --all.');
  if (file !== undefined && (url !== undefined || names.length !== 1)) {
    throw new UsageError('With --file give one name, and no --url or --all.');
  }
  return { names, url: url ?? defaultServerUrl, all, file, out };
}

/** The command line that asks the same, for the head of the file. */
function commandOf({ names, url, all, file, out }: Question): string {
  const source = file === undefined ? ['--url', url] : ['--file', file];
  const words = ['hotpath', 'types', ...names, ...(all ? ['--all'] : []), ...source, ...(out ? ['--out', out] : [])];
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ');
}

async function ask({ names, url, all, file }: Question, complain: (text: string) => void): Promise<TypedModel[]> {
  if (file !== undefined) return [await fromFile(file, names[0]!)];
  if (!all) return Promise.all(names.map((name) => fromServer(url, name)));
  const { models, omitted } = await fromAll(url);
  for (const sentence of omitted) complain(sentence);
  return [...models];
}

export async function run(args: readonly string[], { terminal }: CommandContext): Promise<ExitCode> {
  const question = parse(args);
  const { url, file, out } = question;
  try {
    const models = await ask(question, (text) => terminal.err(`hotpath: ${text}`));
    const text = renderModelTypes(models, file ?? url, commandOf(question));
    if (out === undefined) terminal.out(text.trimEnd());
    else if ((await readFile(out, 'utf8').catch(() => undefined)) !== text) await writeFile(out, text);
    return 0;
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (!(error instanceof NoSignatureError) && syscall !== 'open') throw error;
    terminal.err(`hotpath: ${syscall === 'open' ? `Cannot write ${out} (${code}).` : (error as Error).message}`);
    return 1;
  }
}
