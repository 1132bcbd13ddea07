/** The routes of logged predictions for the OpenAPI document, with the schemas, parameters and header that only they have. Data only. */
import { errorRefs } from './openapi-errors.ts';
import { commonHeaders, headerRef, parameterRefs } from './openapi-headers.ts';
import {
  type Example,
  type Header,
  integer,
  listOf,
  number,
  objectOf,
  type PathItem,
  type Ref,
  type Schema,
  schemaRef,
  text,
} from './openapi-types.ts';
import type { PredictionItem, PredictionList } from './prediction-json.ts';

const id = '019a2b4c-5d6e-7000-8abc-0123456789ab';

const nullableText = (description: string): Schema => ({ type: ['string', 'null'], description });

const itemProperties: { readonly [name in keyof PredictionItem]: Schema } = {
  id: text('UUID version 7: ids sort by time.'),
  created: { type: 'string', format: 'date-time', description: 'When the answer was ready, in UTC.' },
  model: text('Name of the model.'),
  version: text('Version that answered.'),
  status: text('OK, or the code of the error that was answered.'),
  caller: nullableText('Who asked; null when anonymous.'),
  rows: integer('Rows of the request.'),
  durationMs: number('Milliseconds from the request to its answer.'),
  cache: nullableText('Where the answer came from; null when the model has no cache.'),
};

const keptTensors = (what: string): Schema => ({
  type: ['object', 'null'],
  description: `${what} by name; null when there were none, or when they were too large or not to be kept.`,
  additionalProperties: schemaRef('OutputTensor'),
});

interface LoggedPrediction extends PredictionItem {
  readonly inputs: object | null;
  readonly outputs: object | null;
}

export const predictionSchemas = {
  LoggedPrediction: objectOf<LoggedPrediction>('A prediction as it was logged.', {
    ...itemProperties,
    inputs: keptTensors('Inputs'),
    outputs: keptTensors('Outputs that were asked for,'),
  }),
  PredictionItem: objectOf<PredictionItem>('A logged prediction without its tensors.', itemProperties),
  PredictionList: objectOf<PredictionList>('A page of logged predictions.', {
    predictions: listOf(schemaRef('PredictionItem'), 'Newest first.'),
    next: nullableText('The value of `before` for the next page; null on the last.'),
  }),
} as const satisfies Record<string, Schema>;

interface QueryParameter {
  readonly name: string;
  readonly in: 'path' | 'query';
  readonly description: string;
  readonly required?: boolean;
  readonly schema: Schema;
  readonly example?: unknown;
}

const time = 'ISO 8601 (UTC unless it says otherwise) or Unix milliseconds.';

export const predictionParameters = {
  PredictionId: {
    name: 'id',
    in: 'path',
    required: true,
    description: 'Id of the prediction.',
    schema: { type: 'string' },
    example: id,
  },
  PredictionModel: query('model', 'Only of this model.', { type: 'string' }, 'iris'),
  PredictionVersion: query('version', 'Only of this version; a number, no label.', { type: 'string' }, '1'),
  PredictionStatus: query(
    'status',
    '`OK`, `failed` for everything else, or one error code.',
    { type: 'string' },
    'failed',
  ),
  PredictionFrom: query('from', `Not before this time. ${time}`, { type: 'string' }, '2026-01-31T12:00:00Z'),
  PredictionTo: query('to', `Before this time. ${time}`, { type: 'string' }, '1769860800000'),
  PredictionLimit: query(
    'limit',
    'Most predictions of a page.',
    { type: 'integer', minimum: 1, maximum: 1000, default: 50 },
    50,
  ),
  PredictionBefore: query('before', 'Only older than this one: `next` of the page before.', { type: 'string' }, id),
} as const satisfies Record<string, QueryParameter>;

export const predictionHeaders = {
  CacheControl: {
    description: 'For how long and by whom the answer may be kept.',
    schema: { type: 'string' },
    example: 'public, max-age=31536000, immutable',
  },
} as const satisfies Record<string, Header>;

const item: PredictionItem = {
  id,
  created: '2025-10-28T13:07:42.318Z',
  model: 'iris',
  version: '1',
  status: 'OK',
  caller: null,
  rows: 1,
  durationMs: 1.4,
  cache: 'miss',
};

const oneExample: Readonly<Record<string, Example>> = {
  iris: {
    summary: 'One row of the iris model',
    value: {
      ...item,
      inputs: { features: { datatype: 'float32', shape: [1, 4], data: [5.5, 3.5, 1.5, 0.25] } },
      outputs: { label: { datatype: 'int64', shape: [1], data: [0] } },
    },
  },
};

const listExample: Readonly<Record<string, Example>> = {
  page: { summary: 'The first page', value: { predictions: [item], next: id } },
};

export const predictionPaths: Readonly<Record<string, PathItem>> = {
  '/api/v1/predictions': {
    get: {
      operationId: 'listPredictions',
      tags: ['Predictions'],
      summary: 'List logged predictions',
      description:
        'Newest first, page by page. Those of the last moments may be absent: they are written in batches. 501 where nothing is logged.',
      parameters: [
        ...refs('Model', 'Version', 'Status', 'From', 'To', 'Limit', 'Before'),
        ...parameterRefs('RequestId', 'Traceparent'),
      ],
      responses: {
        200: {
          description: 'A page.',
          headers: { ...commonHeaders, 'Cache-Control': cacheControl() },
          content: { 'application/json': { schema: schemaRef('PredictionList'), examples: listExample } },
        },
        ...predictionErrors(),
      },
    },
  },
  '/api/v1/predictions/{id}': {
    get: {
      operationId: 'describePrediction',
      tags: ['Predictions'],
      summary: 'One logged prediction',
      description: 'With its tensors where they were kept. It never changes, so it may be cached for good.',
      parameters: [...refs('Id'), ...parameterRefs('IfNoneMatch', 'RequestId', 'Traceparent')],
      responses: {
        200: {
          description: 'The prediction.',
          headers: { ...commonHeaders, ETag: headerRef('ETag'), 'Cache-Control': cacheControl() },
          content: { 'application/json': { schema: schemaRef('LoggedPrediction'), examples: oneExample } },
        },
        304: {
          description: 'You have it already; no body.',
          headers: { ...commonHeaders, ETag: headerRef('ETag'), 'Cache-Control': cacheControl() },
        },
        ...predictionErrors(),
      },
    },
  },
};

function query(name: string, description: string, schema: Schema, example: string | number): QueryParameter {
  return { name, in: 'query', description, schema, example };
}

type Suffix<Name> = Name extends `Prediction${infer Rest}` ? Rest : never;

function refs(...names: readonly Suffix<keyof typeof predictionParameters>[]): Ref[] {
  return names.map((name) => ({ $ref: `#/components/parameters/Prediction${name}` }));
}

function cacheControl(): Ref {
  return { $ref: '#/components/headers/CacheControl' };
}

/** 400, 401, 403, 404, 500, 501 and 503; what a kind of predict route can give beyond them does not happen here. */
function predictionErrors(): Record<string, Ref> {
  const possible = ['400', '401', '403', '404', '500', '501', '503'];
  return Object.fromEntries(Object.entries(errorRefs('predict')).filter(([status]) => possible.includes(status)));
}
