/** The routes of predict-routes.ts for the OpenAPI document. Data only. */
import { errorRefs } from './openapi-errors.ts';
import { answerExamples, linesExample, requestExamples } from './openapi-examples.ts';
import { commonHeaders, headerRef, parameterRefs, type parameters } from './openapi-headers.ts';
import { type Media, type Operation, type PathItem, type Response, type Schema, schemaRef } from './openapi-types.ts';

type Kind = 'predict' | 'batch' | 'model';

interface PredictRoute {
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly kind: Kind;
  readonly path?: readonly (keyof typeof parameters)[];
}

const requestSchemas = {
  predict: schemaRef('PredictRequest'),
  batch: schemaRef('BatchRequest'),
  model: schemaRef('ModelPredictRequest'),
} as const satisfies Record<Kind, Schema>;

const answerSchemas = {
  predict: { anyOf: [schemaRef('Prediction'), schemaRef('Outputs')] },
  batch: schemaRef('Predictions'),
  model: { anyOf: [schemaRef('Prediction'), schemaRef('Outputs'), schemaRef('Predictions')] },
} as const satisfies Record<Kind, Schema>;

/** Raw bytes have no JSON Schema; 3.1 leaves the schema out or names the format. */
const bytes: Schema = { description: 'Row-major little-endian bytes of one tensor.' };

export const predictPaths: Readonly<Record<string, PathItem>> = {
  '/api/v1/predict': predictRoute({
    operationId: 'predict',
    summary: 'Predict one row',
    description:
      'Takes `features` (one row) or `inputs` (tensors by name). `features` gives a prediction with probabilities and label where the model has them; `inputs` gives the outputs by name. Without `model` the default model answers. A raw body may hold several rows and is then answered as a batch.',
    kind: 'predict',
  }),
  '/api/v1/predict/batch': predictRoute({
    operationId: 'predictBatch',
    summary: 'Predict many rows',
    description:
      'Takes `instances`, a list of rows, and answers in the same order. Large answers can be streamed as NDJSON.',
    kind: 'batch',
  }),
  '/api/v1/models/{model}/predict': predictRoute({
    operationId: 'predictWithModel',
    summary: 'Predict with a named model',
    description: 'Takes `features`, `inputs` or `instances`. The newest served version answers.',
    kind: 'model',
    path: ['Model'],
  }),
  '/api/v1/models/{model}/versions/{version}/predict': predictRoute({
    operationId: 'predictWithVersion',
    summary: 'Predict with a version of a model',
    description: 'As with a named model, by the version or label of the URL.',
    kind: 'model',
    path: ['Model', 'Version'],
  }),
};

function predictRoute({ operationId, summary, description, kind, path = [] }: PredictRoute): PathItem {
  const post: Operation = {
    operationId,
    tags: ['Predictions'],
    summary,
    description,
    parameters: parameterRefs(
      ...path,
      'Accept',
      'TimeoutMs',
      'Priority',
      'RequestId',
      'Traceparent',
      'TensorShape',
      'TensorOutputs',
      'ContentEncoding',
    ),
    requestBody: { required: true, content: requestContent(kind) },
    responses: { 200: answerResponse(kind), ...errorRefs('predict') },
  };
  return { post };
}

function requestContent(kind: Kind): Record<string, Media> {
  const schema = requestSchemas[kind];
  return {
    'application/json': { schema, examples: requestExamples[kind] },
    'application/msgpack': { schema },
    'application/octet-stream': { schema: bytes },
  };
}

function answerResponse(kind: Kind): Response {
  const schema = answerSchemas[kind];
  return {
    description:
      'The prediction, in the format that Accept asks for. NDJSON is only used for batches above the configured number of rows (1000 by default).',
    headers: {
      ...commonHeaders,
      'Server-Timing': headerRef('ServerTiming'),
      'X-Process-Time': headerRef('ProcessTime'),
      'X-Tensor-Datatype': headerRef('TensorDatatype'),
      'X-Tensor-Shape': headerRef('TensorShape'),
      'X-Tensor-Name': headerRef('TensorName'),
    },
    content: {
      'application/json': { schema, examples: answerExamples[kind] },
      'application/msgpack': { schema },
      'application/octet-stream': { schema: bytes },
      'application/x-ndjson': { schema: schemaRef('PredictionLine'), examples: linesExample },
    },
  };
}
