/** The flags of `hotpath train` as a request. Called by train.ts. Wrong names are complained about with the nearest right one. */
import { parseArgs } from 'node:util';
import { didYouMean } from '../config/suggest.ts';
import type { MetricName } from '../training/evaluate/metrics.ts';
import { metricNames } from '../training/evaluate/metrics.ts';
import { activations } from '../training/network/network.ts';
import { labelStyles } from '../training/pipeline/classes.ts';
import { imputes, scales } from '../training/pipeline/prepare.ts';
import type { ModelKind, Task } from '../training/pipeline/trained-model.ts';
import { modelKinds } from '../training/pipeline/trained-model.ts';
import type { ModelOptions } from '../training/train-model.ts';
import type { TrainRequest } from '../training/train-table.ts';
import { UsageError } from './command.ts';

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const options = {
  target: text,
  task: text,
  model: text,
  features: text,
  exclude: text,
  categorical: text,
  test: text,
  metric: text,
  seed: text,
  trials: text,
  impute: text,
  scale: text,
  labels: text,
  name: text,
  register: flag,
  models: text,
  out: text,
  force: flag,
  report: text,
  json: flag,
  rounds: text,
  trees: text,
  'learning-rate': text,
  'max-depth': text,
  'min-leaf-rows': text,
  l2: text,
  k: text,
  clusters: text,
  hidden: text,
  activation: text,
  epochs: text,
  'batch-size': text,
  'weight-decay': text,
  patience: text,
} as const;

type Values = { readonly [Name in keyof typeof options]?: string | boolean };

export interface TrainArguments {
  readonly data: string;
  readonly request: TrainRequest;
  /** Of the model; from the file's name where none is given. */
  readonly name: string;
  readonly register: boolean;
  readonly models: string;
  readonly out: string | undefined;
  readonly force: boolean;
  readonly report: string | undefined;
  readonly json: boolean;
}

/** @throws UsageError */
export function parseTrainArguments(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): TrainArguments {
  const { values, positionals } = parse(args);
  const [data, ...others] = positionals;
  if (data === undefined) throw new UsageError('Give the CSV file to learn from.');
  if (others.length > 0) throw new UsageError(`Unexpected argument "${others[0]}".`);
  const task = oneOf<Task>(values, 'task', ['classification', 'regression', 'clustering']);
  const model = oneOf<ModelKind>(values, 'model', modelKinds);
  const clusters = task === 'clustering' || model === 'kmeans';
  const target = stringOf(values, 'target');
  if (target === undefined && !clusters) {
    throw new UsageError('Name the column to predict with --target, or ask for groups of rows with --task clustering.');
  }
  if (target !== undefined && clusters) throw new UsageError('A clustering has no --target.');
  if (values.register === true && values.out !== undefined) throw new UsageError('Give --out or --register, not both.');
  return {
    data,
    request: {
      target,
      task: clusters ? 'clustering' : task,
      model,
      features: listOf(values, 'features'),
      exclude: listOf(values, 'exclude'),
      categorical: listOf(values, 'categorical'),
      testFraction: numberOf(values, 'test'),
      metric: oneOf<MetricName>(values, 'metric', metricNames),
      seed: numberOf(values, 'seed'),
      trials: numberOf(values, 'trials'),
      labels: oneOf(values, 'labels', labelStyles),
      prepare: {
        ...given('impute', oneOf(values, 'impute', imputes)),
        ...given('scale', oneOf(values, 'scale', scales)),
      },
      options: modelOptions(values),
    },
    name: stringOf(values, 'name') ?? nameOfFile(data),
    register: values.register === true,
    models: stringOf(values, 'models') ?? env.HOTPATH_MODELS ?? 'models',
    out: stringOf(values, 'out'),
    force: values.force === true,
    report: stringOf(values, 'report'),
    json: values.json === true,
  };
}

function parse(args: readonly string[]): { values: Values; positionals: string[] } {
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    options,
    allowPositionals: true,
    // Not strict: parseArgs would stop at the first unknown flag, without a suggestion.
    strict: false,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind !== 'option' || Object.hasOwn(options, token.name)) continue;
    throw new UsageError(
      `Flag --${token.name} is unknown.${didYouMean(token.name, Object.keys(options), (known) => `--${known}`)}`,
    );
  }
  for (const [name, { type }] of Object.entries(options)) {
    const value = (values as Values)[name as keyof Values];
    if (type === 'string' && value === true) throw new UsageError(`Flag --${name} must be followed by a value.`);
  }
  return { values: values as Values, positionals };
}

function modelOptions(values: Values): ModelOptions {
  return {
    ...given('rounds', numberOf(values, 'rounds')),
    ...given('trees', numberOf(values, 'trees')),
    ...given('learningRate', numberOf(values, 'learning-rate')),
    ...given('maxDepth', numberOf(values, 'max-depth')),
    ...given('minLeafRows', numberOf(values, 'min-leaf-rows')),
    ...given('l2', numberOf(values, 'l2')),
    ...given('k', numberOf(values, 'k')),
    ...given('clusters', numberOf(values, 'clusters')),
    ...given('hidden', widthsOf(values, 'hidden')),
    ...given('activation', oneOf(values, 'activation', activations)),
    ...given('epochs', numberOf(values, 'epochs')),
    ...given('batchSize', numberOf(values, 'batch-size')),
    ...given('weightDecay', numberOf(values, 'weight-decay')),
    ...given('patience', numberOf(values, 'patience')),
  };
}

function given<Name extends string, Value>(name: Name, value: Value | undefined): { [Key in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { [Key in Name]?: Value });
}

function stringOf(values: Values, name: keyof Values): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}

function listOf(values: Values, name: keyof Values): string[] | undefined {
  return stringOf(values, name)
    ?.split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}

function numberOf(values: Values, name: keyof Values): number | undefined {
  const value = stringOf(values, name);
  if (value === undefined) return undefined;
  const number = Number(value);
  if (value.trim() === '' || !Number.isFinite(number))
    throw new UsageError(`Flag --${name} must be a number, not "${value}".`);
  return number;
}

/** `64,32`: the first layer, the second. */
function widthsOf(values: Values, name: keyof Values): number[] | undefined {
  const value = stringOf(values, name);
  if (value === undefined) return undefined;
  const widths = value.split(',').map((width) => width.trim());
  if (widths.every((width) => /^[1-9]\d{0,6}$/.test(width))) return widths.map(Number);
  throw new UsageError(`Flag --${name} must be whole numbers such as 64,64, not "${value}".`);
}

function oneOf<Value extends string>(values: Values, name: keyof Values, known: readonly Value[]): Value | undefined {
  const value = stringOf(values, name);
  if (value === undefined || (known as readonly string[]).includes(value)) return value as Value | undefined;
  throw new UsageError(`Flag --${name} must be one of ${known.join(', ')}, not "${value}".${didYouMean(value, known)}`);
}

/** `data/Small Titanic.csv` -> `Small-Titanic`. */
function nameOfFile(path: string): string {
  const base = path
    .split(/[\\/]/)
    .at(-1)!
    .replace(/\.[^.]*$/, '');
  const clean = base.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '');
  return clean.slice(0, 128) || 'model';
}
