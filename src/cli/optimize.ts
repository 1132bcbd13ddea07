/**
 * `hotpath optimize`: variants of a model that are smaller or faster, compared with it and with each other on this machine, the best one
 * written. Works without a server. The model file itself is never touched.
 */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { HotpathError } from '../core/errors.ts';
import { configBeside } from '../optimizer/plan/config-beside.ts';
import type { Optimized, OptimizeOptions } from '../optimizer/plan/optimize.ts';
import { placeVersion } from '../optimizer/plan/place-version.ts';
import { recipeIds } from '../optimizer/plan/recipes.ts';
import { renderReport } from '../optimizer/plan/report.ts';
import { targets } from '../optimizer/plan/result.ts';
import { runOptimize } from '../server-optimize.ts';
import { type CommandContext, type ExitCode, UsageError } from './command.ts';
import { backgroundHelp, run as runInBackground } from './optimize-background.ts';
import { renderOptimized } from './optimize-table.ts';
import { ProgressLine, renderShare } from './progress-line.ts';
import type { Terminal } from './terminal.ts';

export const help = `Usage: hotpath optimize <model.onnx> [--data <file>] [--labels <name>] [flags]

Makes variants of a model (INT8, INT4, FP16, pruned ..), compares each with the model on rows held out, times all of them on this
machine, prints what came out and writes the best of those that are good enough. The model itself is never touched.

  --data <file>      Rows like those of your users: .npz (arrays by input name), .npy, .csv or .jsonl (bodies of predict requests)
                     [random numbers, which say little about quality]
  --labels <name>    Array, column or field with the right class or value of each row; or a .npy file
  --max-drop <share> What may be lost, such as 1% or 0.01: of accuracy (with labels), of equal classes, else of the variance [1%]
  --target <what>    ${targets.join(', ')} [latency]
  --task <kind>      classification or regression [found from the outputs]
  --passes <list>    Only these, separated by commas: ${recipeIds.slice(0, 7).join(', ')},
                     ${recipeIds.slice(7).join(', ')} [what suits the model]
  --seconds <n>      For timing each batch size, all variants together [10]
  --out <folder>     Where everything goes [<model>-optimized]
  --name <name>      Name of the model in that folder [the file's]
  --report <file>    HTML report [report.html in the folder]
  --register <name>  Add the chosen variant to a repository as the next version of this model
  --models <folder>  The repository [models]
  --force            Write the best variant even if it lost too much
  --json             Print everything as JSON

${backgroundHelp}

An interrupted run goes on where it stopped. Exit codes: 0 a variant was written, 1 failed, 2 used wrongly, 3 the model is best as it is.`;

const options = {
  data: { type: 'string' },
  labels: { type: 'string' },
  'max-drop': { type: 'string' },
  target: { type: 'string' },
  task: { type: 'string' },
  passes: { type: 'string' },
  seconds: { type: 'string' },
  out: { type: 'string' },
  name: { type: 'string' },
  report: { type: 'string' },
  register: { type: 'string' },
  models: { type: 'string' },
  force: { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

type Flags = ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true }>>['values'];

const keptOriginal = 3;

export async function run(args: readonly string[], context: CommandContext): Promise<ExitCode> {
  if (args.includes('--background')) return runInBackground(args, context);
  const { terminal } = context;
  const { model, flags } = parse(args);
  const asked = readOptions(model, flags);
  const cancel = new AbortController();
  const onSignal = () => cancel.abort(new HotpathError('CANCELLED', 'Interrupted; the next run goes on from here.'));
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    return await optimize(asked, flags, terminal, cancel.signal);
  } catch (error) {
    if (!(error instanceof HotpathError) || error.code === 'INTERNAL') throw error;
    terminal.err(`hotpath: ${error.message}`);
    return 1;
  } finally {
    process.removeListener('SIGINT', onSignal).removeListener('SIGTERM', onSignal);
  }
}

async function optimize(
  asked: OptimizeOptions,
  flags: Flags,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<ExitCode> {
  const stream = terminal.errStream ?? { write: (text: string) => terminal.err(text.trimEnd()) };
  const line = new ProgressLine(stream, () => performance.now());
  const onProgress = (share: number, what: string) => line.show(renderShare(share, what));
  const optimized = await runOptimize(asked, { onProgress, signal }).finally(() => line.clear());
  const { result, chosenPath } = optimized;
  const reportPath = resolve(flags.report ?? join(asked.outFolder, 'report.html'));
  await writeWhole(reportPath, renderReport(result));
  await writeWhole(join(asked.outFolder, 'report.json'), `${JSON.stringify(result, undefined, 2)}\n`);
  const placed = await place(optimized, asked, flags);
  if (flags.json === true) terminal.out(JSON.stringify({ ...result, report: reportPath, placed }, undefined, 2));
  else {
    terminal.out(renderOptimized(result, terminal.style));
    terminal.out(['', ...placed.map(({ sentence }) => sentence), `Report: ${reportPath}`].join('\n'));
  }
  return chosenPath === undefined ? keptOriginal : 0;
}

interface Place {
  readonly models: string;
  readonly name: string;
  readonly version: string;
  readonly sentence: string;
}

/** Into the out folder, which is a repository of its own, and into the one to register in. */
async function place({ chosenPath }: Optimized, asked: OptimizeOptions, flags: Flags): Promise<Place[]> {
  if (chosenPath === undefined) return [];
  const places = [{ models: asked.outFolder, name: flags.name ?? modelName(asked.modelPath) }];
  if (flags.register !== undefined) places.push({ models: resolve(flags.models ?? 'models'), name: flags.register });
  const done: Place[] = [];
  for (const { models, name } of places) {
    const { version, wasThere } = await placeVersion(chosenPath, models, name, await configBeside(asked.modelPath));
    const verb = wasThere ? 'Is there already' : 'Written';
    const sentence = `${verb}: ${join(models, name, version, 'model.onnx')}. Serve it: hotpath serve --models ${models}`;
    done.push({ models, name, version, sentence });
  }
  return done;
}

/** `models/iris/1/model.onnx` is iris. */
function modelName(path: string): string {
  const name = basename(path).replace(/\.(onnx|ort)$/i, '');
  const folders = dirname(resolve(path))
    .split('/')
    .filter((part) => part !== '' && !/^\d+$/.test(part));
  const plain = name === 'model' ? (folders.at(-1) ?? name) : name;
  return plain.replace(/[^A-Za-z0-9._-]/g, '-').replace(/^[^A-Za-z0-9]+/, '') || 'model';
}

/** Never half a file under the final name. */
async function writeWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.tmp`, text);
  await rename(`${path}.tmp`, path);
}

function parse(args: readonly string[]): { readonly model: string; readonly flags: Flags } {
  let parsed: ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true }>>;
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const [model, ...more] = parsed.positionals;
  if (model === undefined || more.length > 0) throw new UsageError('Give one model file.');
  return { model, flags: parsed.values };
}

function readOptions(model: string, flags: Flags): OptimizeOptions {
  const { data, labels, passes, out } = flags;
  if (labels !== undefined && data === undefined) throw new UsageError('--labels needs --data.');
  if (flags.models !== undefined && flags.register === undefined) throw new UsageError('--models needs --register.');
  return {
    modelPath: model,
    outFolder: resolve(out ?? `${modelName(model)}-optimized`),
    data: data === undefined ? undefined : { path: data, labels },
    maxDrop: shareOf(flags['max-drop'] ?? '1%'),
    target: oneOf('target', flags.target ?? 'latency', targets),
    task: flags.task === undefined ? undefined : oneOf('task', flags.task, ['classification', 'regression'] as const),
    recipes: passes?.split(',').map((name) => name.trim()),
    batchMs: 1000 * secondsOf(flags.seconds ?? '10'),
    force: flags.force ?? false,
  };
}

function shareOf(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(%?)$/.exec(text);
  const share = match === null ? Number.NaN : Number(match[1]) / (match[2] === '%' ? 100 : 1);
  if (share >= 0 && share <= 1) return share;
  throw new UsageError(`Flag --max-drop must be a share such as 1% or 0.01, not "${text}".`);
}

function secondsOf(text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0;
  if (seconds > 0 && seconds <= 3600) return seconds;
  throw new UsageError(`Flag --seconds must be a number above 0, not "${text}".`);
}

function oneOf<T extends string>(flag: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === value);
  if (found === undefined) throw new UsageError(`Flag --${flag} must be one of ${allowed.join(', ')}, not "${value}".`);
  return found;
}
