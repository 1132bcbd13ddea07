/** All routes for the OpenAPI document: those of plain-routes.ts here, the predict routes from their own file. Data only. */
import { errorRefs } from './openapi-errors.ts';
import { healthExample, modelExample, modelsExample } from './openapi-examples.ts';
import { commonHeaders, headerRef, parameterRefs } from './openapi-headers.ts';
import { predictPaths } from './openapi-predict-paths.ts';
import { predictionPaths } from './openapi-prediction-paths.ts';
import { type Example, type Operation, type PathItem, type Response, schemaRef, text } from './openapi-types.ts';

type Examples = Readonly<Record<string, Example>>;

export const paths: Readonly<Record<string, PathItem>> = {
  ...predictPaths,
  ...predictionPaths,
  '/api/v1/models': metadata('listModels', 'List the models', 'Every served version with state and signature.', {
    name: 'ModelList',
    examples: modelsExample,
  }),
  '/api/v1/models/{model}': metadata(
    'describeModel',
    'Describe a model',
    'State, signature and measured speed of the newest served version. Never loads the model.',
    { name: 'Model', examples: modelExample, path: ['Model'] },
  ),
  '/api/v1/models/{model}/versions/{version}': metadata(
    'describeVersion',
    'Describe a version of a model',
    'As for a model, by version or label.',
    { name: 'Model', examples: modelExample, path: ['Model', 'Version'] },
  ),
  '/health': health('health', 'Health and performance', 'State, memory and the speed of the last seconds.', {
    name: 'Health',
    examples: healthExample,
    notReady: true,
  }),
  '/health/live': health('live', 'Liveness', 'Answers as long as the process works; restart it when it does not.', {
    name: 'Liveness',
    examples: { live: { summary: 'Alive', value: { live: true } } },
  }),
  '/health/ready': health('ready', 'Readiness', 'Whether to send traffic here.', {
    name: 'Readiness',
    examples: { ready: { summary: 'Ready', value: { ready: true, state: 'ready' } } },
    notReady: true,
  }),
  '/metrics': plain('metrics', 'Operations', 'Metrics', 'Prometheus text format.', {
    'text/plain': { schema: text('Prometheus exposition, version 0.0.4.') },
  }),
  '/': plain('service', 'Operations', 'About this service', 'Name, version and where to go on.', {
    'application/json': {
      schema: schemaRef('Service'),
      examples: {
        service: {
          summary: 'Service',
          value: {
            name: 'hotpath',
            version: '0.1.0',
            docs: '/docs',
            predict: '/api/v1/predict',
            health: '/health',
          },
        },
      },
    },
  }),
  '/docs': plain('docs', 'Documentation', 'This page', 'The API as a page, with a form to try it.', {
    'text/html': { schema: text('A page.') },
  }),
  '/docs/openapi.json': plain('openApi', 'Documentation', 'This document', 'The API as an OpenAPI 3.1 document.', {
    'application/json': { schema: { type: 'object', description: 'An OpenAPI 3.1 document.' } },
  }),
};

function plain(
  operationId: string,
  tag: string,
  summary: string,
  description: string,
  content: NonNullable<Response['content']>,
): PathItem {
  const parameters = parameterRefs('RequestId', 'Traceparent');
  const ok: Response = { description: summary, headers: commonHeaders, content };
  const get: Operation = {
    operationId,
    tags: [tag],
    summary,
    description,
    parameters,
    responses: { 200: ok, ...errorRefs('common') },
  };
  return { get };
}

function health(
  operationId: string,
  summary: string,
  description: string,
  { name, examples, notReady = false }: { name: string; examples: Examples; notReady?: boolean },
): PathItem {
  const { get } = plain(operationId, 'Operations', summary, description, {
    'application/json': { schema: schemaRef(name), examples },
  });
  if (!notReady) return { get: get! };
  const starting: Response = {
    description: 'Starting or draining; the same body.',
    headers: commonHeaders,
    content: { 'application/json': { schema: schemaRef(name) } },
  };
  return { get: { ...get!, responses: { ...get!.responses, 503: starting } } };
}

function metadata(
  operationId: string,
  summary: string,
  description: string,
  { name, examples, path = [] }: { name: string; examples: Examples; path?: readonly ('Model' | 'Version')[] },
): PathItem {
  const headers = { ...commonHeaders, ETag: headerRef('ETag') };
  const content = { 'application/json': { schema: schemaRef(name), examples } };
  const get: Operation = {
    operationId,
    tags: ['Models'],
    summary,
    description,
    parameters: parameterRefs(...path, 'IfNoneMatch', 'RequestId', 'Traceparent'),
    responses: {
      200: { description: summary, headers, content },
      304: { description: 'Not changed since the ETag of the request; no body.', headers },
      ...errorRefs(path.length > 0 ? 'model' : 'common'),
    },
  };
  return { get };
}
