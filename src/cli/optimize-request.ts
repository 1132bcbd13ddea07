/** The flags of `hotpath optimize` as a request. Called by optimize.ts. */
import { readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { parseClassNames } from '../optimizer/data/class-labels.ts';
import { parseImageOptions } from '../optimizer/data/image-folder.ts';
import type { DataRequest } from '../optimizer/data/load-data.ts';
import { configBeside } from '../optimizer/plan/config-beside.ts';
import type { OptimizeOptions } from '../optimizer/plan/optimize.ts';
import { recipeIds } from '../optimizer/plan/recipes.ts';
import { targets } from '../optimizer/plan/result.ts';
import { tasks } from '../optimizer/verify/verify.ts';
import { imageRecipes } from '../vision/image-recipe.ts';
import { UsageError } from './command.ts';
import { type CommandFlags, readFlags } from './command-flags.ts';
import { backgroundHelp } from './optimize-background.ts';
import { optimizeFlags } from './optimize-flags.ts';
import { parseShare } from './share-flag.ts';

const imageNames = Object.keys(imageRecipes).join(', ');

export const help = `Usage: hotpath optimize <model.onnx> [--data <file>] [--labels <name>] [flags]

Makes variants of a model (INT8, INT4, FP16, pruned ..), compares each with the model on rows held out, times all of them on this
machine, prints what came out and writes the best of those that are good enough. The model itself is never touched.

  --data <file>      Rows like those of your users: .npz (arrays by input name), .npy, .csv or .jsonl (bodies of predict requests), or a
                     folder of pictures, those of each class in a folder of its name [random numbers, which say little about quality]
  --labels <name>    Array, column or field with the right class or value of each row; or a .npy file
  --class-names <f>  Names of the classes by number, if labels are names: a line each, or JSON [those of model.json]
  --image <how>      How the model takes pictures: ${imageNames},
                     or settings such as bgr,fit=letterbox,scale=1/255,mean=0.5,std=0.5
  --image-size <s>   Width x height of pictures, for models that take any
  --max-drop <share> What may be lost, such as 1% or 0.01: of accuracy (with labels), of equal classes, else of the variance [1%]
  --target <what>    ${targets.join(', ')} [latency]
  --task <kind>      ${tasks.join(', ')} [found from the outputs]
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

export type OptimizeFlags = CommandFlags<typeof optimizeFlags>;

/** @throws UsageError */
export function parseOptimizeFlags(args: readonly string[]): { readonly model: string; readonly flags: OptimizeFlags } {
  const parsed = readFlags(args, optimizeFlags);
  const [model, ...more] = parsed.positionals;
  if (model === undefined || more.length > 0) throw new UsageError('Give one model file.');
  return { model, flags: parsed.values };
}

/** @throws UsageError; INVALID_INPUT for what a file or a picture's recipe says */
export async function readOptimizeOptions(model: string, flags: OptimizeFlags): Promise<OptimizeOptions> {
  const { passes, out } = flags;
  if (flags.models !== undefined && flags.register === undefined) throw new UsageError('--models needs --register.');
  return {
    modelPath: model,
    outFolder: resolve(out ?? `${modelName(model)}-optimized`),
    maxDrop: parseShare('max-drop', flags['max-drop'] ?? '1%'),
    target: oneOf('target', flags.target ?? 'latency', targets),
    task: flags.task === undefined ? undefined : oneOf('task', flags.task, tasks),
    recipes: passes?.split(',').map((name) => name.trim()),
    batchMs: 1000 * secondsOf(flags.seconds ?? '10'),
    force: flags.force ?? false,
    data: await dataOf(model, flags),
  };
}

async function dataOf(model: string, flags: OptimizeFlags): Promise<DataRequest | undefined> {
  const { data, labels, image, 'image-size': size, 'class-names': names } = flags;
  if (data === undefined) {
    for (const name of ['labels', 'image', 'image-size', 'class-names'] as const) {
      if (flags[name] !== undefined) throw new UsageError(`--${name} needs --data.`);
    }
    return undefined;
  }
  return {
    path: data,
    labels,
    classNames: names === undefined ? await classNamesBeside(model) : parseClassNames(await readNames(names)),
    image: parseImageOptions(image, size),
  };
}

async function readNames(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new UsageError(
      `The class names in ${basename(path)} cannot be read (${(error as NodeJS.ErrnoException).code}).`,
    );
  }
}

async function classNamesBeside(model: string): Promise<readonly string[] | undefined> {
  const names = (await configBeside(model))?.classNames;
  return Array.isArray(names) && names.every((name) => typeof name === 'string') ? names : undefined;
}

/** `models/iris/1/model.onnx` is iris. */
export function modelName(path: string): string {
  const name = basename(path).replace(/\.(onnx|ort)$/i, '');
  const folders = dirname(resolve(path))
    .split('/')
    .filter((part) => part !== '' && !/^\d+$/.test(part));
  const plain = name === 'model' ? (folders.at(-1) ?? name) : name;
  return plain.replace(/[^A-Za-z0-9._-]/g, '-').replace(/^[^A-Za-z0-9]+/, '') || 'model';
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
