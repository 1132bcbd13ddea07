/**
 * The one table of model.json: field, type, limits, help. The parser and docs/reference/model-config.md come from it.
 * Called by the model source through the composition root. It checks data; it never reads files.
 */
import { invalidInput } from '../core/errors.ts';
import type { ModelConfig } from '../ports/model-source.ts';
import { cacheKind, checkCache } from './cache-fields.ts';
import { checkFields, type FieldTable } from './check-fields.ts';
import { checkFeatures, featuresFields } from './features-fields.ts';
import {
  boolean,
  type Fields,
  integer,
  invalid,
  isObject,
  labels,
  listOf,
  nested,
  number,
  object,
  oneOf,
  text,
  versionPolicy,
} from './model-config-fields.ts';
import { pipeline } from './pipeline-field.ts';
import { checkUpstream, upstreamFields } from './upstream-fields.ts';

const provider = oneOf(['cpu', 'webgpu', 'cuda', 'tensorrt']);

export const modelConfigFields: Fields<ModelConfig> = {
  instances: {
    ...integer(1, 256),
    fallback: '1 for a light model, cores / threads for a heavy one',
    help: 'Sessions that run batches at the same time. instances x intraOpThreads never exceeds the cores.',
  },
  intraOpThreads: {
    ...integer(1, 256),
    fallback: '1 for a light model, up to 4 for a heavy one',
    help: 'Threads one run may use.',
  },
  executionProviders: {
    ...listOf(provider, `list of ${provider.type}`, 1, 4),
    fallback: '["cpu"]',
    help: 'What runs the model, in order of preference.',
  },
  fallbackToCpu: {
    ...boolean,
    fallback: 'false',
    help: 'Run on the CPU, with a warning, when no provider of the list can be had; otherwise the model is failed.',
  },
  batching: {
    ...oneOf(['auto', 'off', 'force']),
    fallback: '"auto"',
    help: 'auto joins requests if joined rows were proven to equal the rows alone; force joins them unproven; off never.',
  },
  maxBatchSize: {
    ...integer(1, 65_536),
    fallback: 'from the warm-up sweep, at most 256',
    help: 'Most rows of one run.',
  },
  maxDelayMs: {
    ...number(0, 60_000),
    fallback: 'decided by the learned cost',
    help: 'Longest time a request waits for others to share its batch.',
  },
  sloMs: {
    ...number(0.1, 86_400_000),
    fallback: 'the server’s sloMs, or 10 x the predicted time of one row if that is longer',
    help: 'Deadline of requests that bring none.',
  },
  runTimeoutMs: {
    ...number(1, 86_400_000),
    fallback: 'the server’s runTimeoutMs',
    help: 'A run longer than this is a hang: its worker is replaced.',
  },
  warmupRows: {
    ...listOf(integer(1, 65_536), 'list of integers from 1 to 65536', 0, 64),
    fallback: '1, 2, 4 .. maxBatchSize',
    help: 'Rows of each run of the warm-up sweep; [] skips it.',
  },
  pinned: { ...boolean, fallback: 'false', help: 'Load at start and never evict.' },
  versionPolicy: {
    ...versionPolicy,
    fallback: '{"latest": 1}',
    help: 'Which versions are served, besides labelled ones.',
  },
  labels: {
    ...labels,
    fallback: '{}',
    help: 'Names for versions, such as {"stable": "2"}; a labelled version is served.',
  },
  classNames: {
    ...listOf(text, 'list of strings', 1, 1_000_000),
    fallback: 'none',
    help: 'Names of the classes, by index; added to answers as label.',
  },
  nan: {
    ...oneOf(['reject', 'allow']),
    fallback: '"reject"',
    help: 'Whether float inputs may hold NaN and infinities. allow also takes null and "NaN" in JSON; models with imputers want it.',
  },
  maxQueueRows: { ...integer(1, 1_000_000_000), fallback: 'the server’s maxQueueRows', help: 'Rows that may wait.' },
  sessionOptions: { ...object, fallback: '{}', help: 'ONNX Runtime session options, passed through as they are.' },
  engine: {
    ...oneOf(['onnx', 'remote']),
    fallback: '"onnx"',
    help: 'remote forwards to the servers of upstream; the folder needs no model file then.',
  },
  upstream: {
    type: 'object',
    check: () => invalid,
    fields: upstreamFields,
    fallback: 'none',
    help: 'Where a remote model runs.',
  },
  pipeline: {
    ...pipeline,
    fallback: 'none',
    help: 'Steps that hand tensors through other models; the folder needs no model file then.',
  },
  deterministic: {
    ...boolean,
    fallback: 'false',
    help: 'Equal inputs always give equal outputs: answers are cached in memory, unless cache says otherwise.',
  },
  cache: {
    ...cacheKind,
    fallback: '{} if deterministic, else false',
    help: 'Remembers answers. An object turns it on, false off.',
  },
  features: {
    ...nested(featuresFields),
    fallback: 'none',
    help: 'Where the features of an entity that a request names come from.',
  },
};

/**
 * A checked, frozen copy of the parsed model.json.
 * @throws INVALID_INPUT naming the field and what was expected; unknown fields suggest the nearest known one.
 */
export function parseModelConfig(json: unknown): ModelConfig {
  if (!isObject(json)) throw invalidInput('model.json', 'model.json must be a JSON object.', 'object');
  const config: ModelConfig = checkFields(modelConfigFields, json);
  checkUpstream(config);
  checkCache(config);
  checkFeatures(config);
  return deepFreeze(config);
}

/** The fields as a Markdown table, for docs/reference/model-config.md. */
export function modelConfigReference(): string {
  const rows = tableRows(modelConfigFields, '');
  return ['| field | type | when absent | what it does |', '|---|---|---|---|', ...rows, ''].join('\n');
}

/** Nested fields follow their object, named by their path. */
function tableRows(fields: FieldTable, path: string): string[] {
  return Object.entries(fields).flatMap(([name, field]) => [
    `| \`${path}${name}\` | ${cell(field.type)} | ${cell(field.fallback)} | ${cell(field.help)} |`,
    ...(field.fields === undefined ? [] : tableRows(field.fields, `${path}${name}.`)),
  ]);
}

function cell(words: string): string {
  return words.replaceAll('|', '\\|');
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const child of Object.values(value)) deepFreeze(child);
    Object.freeze(value);
  }
  return value;
}
