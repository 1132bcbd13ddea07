/** Schemas of health, metadata and errors for the OpenAPI document, each tied to the type it describes. Data only. */
import { errorCodes } from '../../core/errors.ts';
import type { LoadedStatus, ModelStatus } from '../../core/registry/catalog.ts';
import { datatypes, type Signature, type TensorSpec } from '../../core/tensor.ts';
import type { ModelState } from '../../core/types.ts';
import type { PerformanceView, PerformanceWindow } from '../../ports/performance.ts';
import { type ErrorBody, statusOf } from '../http-errors.ts';
import type { HealthView } from './deps.ts';
import { predictSchemas } from './openapi-predict-schemas.ts';
import { flag, integer, listOf, number, objectOf, oneOf, type Schema, schemaRef, text } from './openapi-types.ts';

const healthStates = ['starting', 'ready', 'draining'] as const satisfies readonly HealthView['state'][];
const modelStates = ['unloaded', 'loading', 'ready', 'unloading', 'failed'] as const satisfies readonly ModelState[];

const codes = Object.entries(errorCodes).map(([code, meaning]) => {
  return { code, status: statusOf[code as keyof typeof errorCodes], meaning };
});

const errorSchemas = {
  ErrorCode: {
    type: 'string',
    enum: codes.map(({ code }) => code),
    description: 'Stable; the message beside it is a sentence for people and may change.',
    'x-error-codes': codes,
  },
  Error: objectOf<ErrorBody>('The body of every error answer.', {
    error: objectOf<ErrorBody['error']>(
      'What went wrong.',
      { code: schemaRef('ErrorCode'), message: text('A sentence for people.'), details: schemaRef('ErrorDetails') },
      ['details'],
    ),
  }),
  ErrorDetails: {
    type: 'object',
    description: 'What the message is about, where there is more to say. More fields may come.',
    properties: {
      field: text('The field as a path in the request, or the name of a header.'),
      expected: text('What was expected there.'),
      received: text('What stood there, shortened.'),
      retryAfterSeconds: number('Seconds after which a retry may succeed; also in Retry-After.'),
    },
    additionalProperties: true,
  },
} as const satisfies Record<string, Schema>;

const nullableMs = (what: string): Schema => ({
  type: ['number', 'null'],
  description: `${what} of successful answers in milliseconds; null when there was none.`,
});

const healthSchemas = {
  Service: {
    type: 'object',
    description: 'Where to find what.',
    properties: {
      name: { type: 'string', enum: ['hotpath'] },
      version: text('Version of the server.'),
      docs: text('Path of this documentation.'),
      predict: text('Path of the predict route.'),
      health: text('Path of the health route.'),
    },
    required: ['name', 'version', 'docs', 'predict', 'health'],
  },
  Health: objectOf<HealthView>(
    'State of the server and its speed in the last seconds.',
    {
      state: oneOf(healthStates, 'Only a ready server should get traffic.'),
      version: text('Version of the server.'),
      uptimeSeconds: number('Seconds since the start.'),
      memory: objectOf<HealthView['memory']>(
        'Memory of the process.',
        {
          rssBytes: integer('Resident memory.'),
          heapUsedBytes: integer('JavaScript heap in use.'),
          limitBytes: integer('What the process may use, where a limit is known.'),
        },
        ['limitBytes'],
      ),
      performance: objectOf<PerformanceView>('Measured on real requests.', {
        last10s: schemaRef('PerformanceWindow'),
        last60s: schemaRef('PerformanceWindow'),
      }),
      optimizations: listOf({ type: 'string' }, 'What is in force per model: threads, provider, batching.'),
      notes: listOf({ type: 'string' }, 'Why it is not ready, or what an operator should know.'),
    },
    ['notes'],
  ),
  PerformanceWindow: objectOf<PerformanceWindow>('Rates and latencies of one time window.', {
    seconds: number('Seconds really covered; fewer shortly after the start.'),
    requestsPerSecond: number('Successful answers per second.'),
    errorsPerSecond: number('Refused or failed answers per second.'),
    rowsPerSecond: number('Rows through the engines per second.'),
    p50Ms: nullableMs('Median'),
    p95Ms: nullableMs('95th percentile'),
    p99Ms: nullableMs('99th percentile'),
    meanBatchRows: { type: ['number', 'null'], description: 'Rows per executed batch; null when none ran.' },
  }),
  Liveness: {
    type: 'object',
    properties: { live: flag('True whenever the process answers.') },
    required: ['live'],
  },
  Readiness: {
    type: 'object',
    properties: { ready: flag('Whether to send traffic here.'), state: oneOf(healthStates, 'Why.') },
    required: ['ready', 'state'],
  },
} as const satisfies Record<string, Schema>;

const modelSchemas = {
  ModelList: {
    type: 'object',
    description: 'Every version that is served, loaded or not.',
    properties: {
      defaultModel: {
        type: ['string', 'null'],
        description: 'The model used when a request names none; null when each request must name one.',
      },
      models: listOf(schemaRef('Model'), 'One entry per version.'),
    },
    required: ['defaultModel', 'models'],
  },
  Model: objectOf<ModelStatus>(
    'One version of a model.',
    {
      name: text('Name of the model.'),
      version: text('Version of the model.'),
      state: oneOf(modelStates, 'An unloaded model loads with its first request.'),
      reason: text('Why it failed, or why it is not ready.'),
      labels: listOf({ type: 'string' }, 'Labels that point to this version; usable in place of the version.'),
      digest: text('SHA-256 of the file, once read.'),
      loaded: schemaRef('LoadedModel'),
    },
    ['reason', 'digest', 'loaded'],
  ),
  LoadedModel: objectOf<Omit<LoadedStatus, 'queue' | 'inFlightRequests' | 'busyInstances'>>(
    'What is known of a version once it is ready.',
    {
      signature: schemaRef('Signature'),
      executionProvider: text('Where it runs, for example cpu.'),
      instances: integer('Configured instances.'),
      availableInstances: integer('Instances that work at present.'),
      intraOpThreads: integer('Threads of one instance.'),
      memoryBytes: integer('Memory the model was measured to take.'),
      pinned: flag('True when it is never unloaded to make room.'),
      loadMs: number('Milliseconds the loading took.'),
      batching: objectOf<LoadedStatus['batching']>(
        'How requests are merged.',
        {
          enabled: flag('Whether requests are merged at all.'),
          reason: text('Why not, when not enabled.'),
          maxBatchSize: integer('Most rows of one batch.'),
          maxDelayMs: number('Longest wait for more rows, where one is configured.'),
        },
        // `number | undefined` in the type: left out of JSON.
        ['reason', 'maxDelayMs' as never],
      ),
      sloMs: number('Latency objective; the deadline of requests that set none.'),
      sloInfeasible: flag('True when one lone row is predicted to miss the objective.'),
      cost: objectOf<LoadedStatus['cost']>('Learned: duration = perRowMs × rows + fixedMs.', {
        perRowMs: number('Milliseconds per row.'),
        fixedMs: number('Milliseconds per batch.'),
        relativeError: number('Mean error of the prediction, as a fraction.'),
      }),
      batchCurve: listOf(
        objectOf<LoadedStatus['batchCurve'][number]>('', {
          rows: integer('Rows of the batch.'),
          ms: number('Predicted milliseconds.'),
        }),
        'Predicted duration for 1, 2, 4 … rows.',
      ),
      capacityRowsPerSecond: number('Rows per second that all instances can answer at the largest batch.'),
      notes: listOf({ type: 'string' }, 'What an operator should know.'),
    },
  ),
  Signature: objectOf<Signature>('Inputs and outputs.', {
    inputs: listOf(schemaRef('TensorSpec'), 'What a request must hold.'),
    outputs: listOf(schemaRef('TensorSpec'), 'What an answer holds.'),
    skippedOutputs: listOf({ type: 'string' }, 'Outputs that are no tensors and never fetched.'),
  }),
  TensorSpec: objectOf<TensorSpec>('One tensor of a signature.', {
    name: text('Name in the model.'),
    datatype: oneOf(datatypes, 'Type of the elements.'),
    shape: listOf({ type: 'integer' }, 'Dimensions; -1 is variable.'),
  }),
} as const satisfies Record<string, Schema>;

export const schemas: Readonly<Record<string, Schema>> = {
  ...predictSchemas,
  ...modelSchemas,
  ...healthSchemas,
  ...errorSchemas,
};
