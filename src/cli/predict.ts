/** `hotpath predict iris 5.1 3.5 1.4 0.2`: one prediction of a running server. For a first try; programs should speak HTTP. */
import { AskError, askServer, defaultServerUrl } from './ask-server.ts';
import { type CommandContext, type ExitCode, UsageError } from './command.ts';
import { readFlags } from './command-flags.ts';

export const help = `Usage: hotpath predict <model> <number>... [--url <server>] [--json]

Sends one row of numbers to a model with a single input and prints the prediction. Negative numbers go after "--":
hotpath predict iris -- -1 3.5 1.4 0.2

  --url <server>  Address of the server [${defaultServerUrl}]
  --json          Print the server's answer as it is`;

interface Question {
  readonly url: string;
  readonly json: boolean;
  readonly model: string;
  readonly features: readonly number[];
}

function parse(args: readonly string[]): Question {
  const options = { url: { type: 'string' }, json: { type: 'boolean' } } as const;
  const parsed = readFlags(args, options);
  const [model, ...numbers] = parsed.positionals;
  if (model === undefined || numbers.length === 0) throw new UsageError('Give a model and the numbers of one row.');
  const features = numbers.map((text) => {
    const value = Number(text);
    if (text.trim() === '' || Number.isNaN(value)) throw new UsageError(`"${text}" is not a number.`);
    return value;
  });
  return { url: parsed.values.url ?? defaultServerUrl, json: parsed.values.json ?? false, model, features };
}

interface Answer {
  readonly prediction?: unknown;
  readonly label?: string;
  readonly probabilities?: unknown;
}

function renderAnswer(answer: Answer): string {
  const label = answer.label === undefined ? '' : ` (${answer.label})`;
  const lines = [`prediction: ${JSON.stringify(answer.prediction)}${label}`];
  if (answer.probabilities !== undefined) lines.push(`probabilities: ${JSON.stringify(answer.probabilities)}`);
  return lines.join('\n');
}

export async function run(args: readonly string[], { terminal }: CommandContext): Promise<ExitCode> {
  const { url, json, model, features } = parse(args);
  try {
    const answer = await askServer(url, '/api/v1/predict', { model, features });
    terminal.out(json ? JSON.stringify(answer, undefined, 2) : renderAnswer(answer as Answer));
    return 0;
  } catch (error) {
    if (!(error instanceof AskError)) throw error;
    terminal.err(`hotpath: ${error.message}`);
    return 1;
  }
}
