/** Schemas of predict requests and their answers for the OpenAPI document. Data only. */
import { maxEntities, maxEntityLength } from '../../core/features/entity.ts';
import { datatypes } from '../../core/tensor.ts';
import type { InferTiming, ReleaseReason } from '../../core/types.ts';
import { integer, listOf, number, objectOf, oneOf, type Schema, schemaRef, text } from './openapi-types.ts';
import { maxTimeoutMs } from './predict-body.ts';

const releases = ['full', 'idle', 'linger-expired', 'drain', 'solo'] as const satisfies readonly ReleaseReason[];

export const priorityValues = [0, 1, 2, 3];

export const timeout: Schema = {
  type: 'number',
  exclusiveMinimum: 0,
  maximum: maxTimeoutMs,
  description:
    'Milliseconds the client will wait. A request that cannot make it is refused at once. Default: the SLO of the model.',
};

const features: Schema = {
  description:
    'One row: a list of values for models with one input, else an object with one entry per input. Nested lists for rows with more axes.',
  anyOf: [{ type: 'array' }, { type: 'object' }, { type: ['number', 'string', 'boolean'] }],
};

const inputs: Schema = {
  type: 'object',
  description: 'Tensors by the names of the signature; gives the outputs whole, by name.',
  additionalProperties: schemaRef('InputTensor'),
};

const instances: Schema = {
  type: 'array',
  minItems: 1,
  items: { description: 'One row, in the form that features has.' },
  description: 'Rows to predict in one request.',
};

const entityName: Schema = { type: 'string', minLength: 1, maxLength: maxEntityLength };

const entity: Schema = {
  ...entityName,
  description:
    'Name of what the row is about, for models with a source of features. Its features are fetched; those of the request win.',
};

const entities: Schema = {
  type: 'array',
  minItems: 1,
  maxItems: maxEntities,
  items: entityName,
  description: 'The same for many rows; instances, if given, has an object for each.',
};

const outputs: Schema = {
  type: 'array',
  minItems: 1,
  uniqueItems: true,
  items: { type: 'string' },
  description: 'Names of the outputs wanted. Default: all.',
};

const selection = {
  model: { type: 'string', minLength: 1, description: 'Name of the model. Default: the default model.' },
  version: { type: ['string', 'integer'], description: 'Version or label. Default: the newest version served.' },
} as const satisfies Record<string, Schema>;

const common = { outputs, options: schemaRef('Options') };

const answerTail = {
  model: text('Model that answered.'),
  version: text('Its version.'),
  timing: schemaRef('Timing'),
};
const tailNames = Object.keys(answerTail);

const value: Schema = {
  description:
    'Number, exact 64-bit integer, string, boolean, or nested lists of them where a row has more than one element.',
};

export const predictSchemas = {
  PredictRequest: {
    type: 'object',
    description: 'Exactly one of features and inputs; with entity, features or nothing.',
    properties: { features, inputs, entity, ...selection, ...common },
    additionalProperties: false,
  },
  BatchRequest: {
    type: 'object',
    description: 'instances, entities, or both.',
    properties: { instances, entities, ...selection, ...common },
    anyOf: [{ required: ['instances'] }, { required: ['entities'] }],
    additionalProperties: false,
  },
  ModelPredictRequest: {
    type: 'object',
    description:
      'Exactly one of features, inputs and instances; with entity, features or nothing; with entities, instances or nothing. Model and version stand in the URL.',
    properties: { features, inputs, instances, entity, entities, ...common },
    additionalProperties: false,
  },
  Options: {
    type: 'object',
    description: 'How to answer. Wins over the headers of the same meaning.',
    properties: {
      timeoutMs: timeout,
      priority: {
        type: 'integer',
        enum: priorityValues,
        default: 0,
        description: '0 is the most important; higher numbers are refused earlier under load.',
      },
      batching: {
        type: 'string',
        enum: ['auto', 'off'],
        default: 'auto',
        description: 'off runs the request alone, for comparison.',
      },
      outputs,
      labels: { type: 'boolean', default: true, description: 'false leaves class names out.' },
    },
    additionalProperties: false,
  },
  InputTensor: {
    description: 'Nested lists, a scalar, bytes (MessagePack bin), or an object with shape and data.',
    anyOf: [{ type: 'array' }, { type: ['number', 'string', 'boolean'] }, schemaRef('ExplicitTensor')],
  },
  ExplicitTensor: {
    type: 'object',
    properties: {
      shape: listOf({ type: 'integer', minimum: 0 }, 'Dimensions.'),
      datatype: oneOf(datatypes, 'Checked against the signature when given.'),
      data: {
        type: 'array',
        description: 'Values in row-major order, flat or nested; MessagePack also takes bin with little-endian bytes.',
      },
    },
    required: ['shape', 'data'],
    additionalProperties: false,
  },
  Prediction: {
    type: 'object',
    description: 'Answer to one row. Fields without a meaning for the model are left out.',
    properties: {
      prediction: value,
      probabilities: listOf({ type: ['number', 'string'] }, 'One per class.'),
      label: text('Name of the predicted class.'),
      ...answerTail,
    },
    required: ['prediction', ...tailNames],
  },
  Predictions: {
    type: 'object',
    description: 'Answer to many rows, in the order of the request.',
    properties: {
      predictions: listOf(value, 'One per row.'),
      probabilities: listOf(listOf({ type: ['number', 'string'] }, ''), 'One list per row.'),
      labels: listOf({ type: ['string', 'null'] }, 'Class name per row; null where the class has none.'),
      count: integer('Number of rows.'),
      ...answerTail,
    },
    required: ['predictions', 'count', ...tailNames],
  },
  Outputs: {
    type: 'object',
    description: 'Answer to inputs: the outputs as the model gave them.',
    properties: {
      outputs: { type: 'object', additionalProperties: schemaRef('OutputTensor'), description: 'Tensors by name.' },
      ...answerTail,
    },
    required: ['outputs', ...tailNames],
  },
  OutputTensor: {
    type: 'object',
    properties: {
      datatype: oneOf(datatypes, 'Type of the elements.'),
      shape: listOf({ type: 'integer' }, 'Dimensions.'),
      data: {
        description: 'Flat list in row-major order; in MessagePack the raw little-endian bytes (a list for strings).',
      },
    },
    required: ['datatype', 'shape', 'data'],
  },
  PredictionLine: {
    description: 'A line of a streamed answer: one per row, then one with count, model, version and timing.',
    anyOf: [
      {
        type: 'object',
        properties: { prediction: value, probabilities: { type: 'array' }, label: { type: 'string' } },
        required: ['prediction'],
      },
      {
        type: 'object',
        properties: { count: integer('Number of rows.'), ...answerTail },
        required: ['count', ...tailNames],
      },
    ],
  },
  Timing: objectOf<InferTiming>('Where the time went.', {
    decodeMs: number('Body to tensors.'),
    queueMs: number('Wait for an instance and for more rows.'),
    batchMs: number('Merge and hand-over.'),
    inferMs: number('The run itself.'),
    batchRows: integer('Rows of the batch that the request ran in.'),
    release: oneOf(releases, 'Why the batch left the queue.'),
  }),
} as const satisfies Record<string, Schema>;
