/**
 * The OpenAPI 3.1 document of the native REST API, written by hand. Loaded by plain-routes.ts on the first visit of
 * /docs/openapi.json; must never be imported by anything that runs at start-up or per prediction.
 */
import {
  accessSchemas,
  guardedPaths,
  limitHeaders,
  security,
  securitySchemes,
  tokenPaths,
  withLimitHeaders,
} from './openapi-access.ts';
import { errorResponses } from './openapi-errors.ts';
import { headers, parameters } from './openapi-headers.ts';
import { paths } from './openapi-paths.ts';
import { predictionHeaders, predictionParameters, predictionSchemas } from './openapi-prediction-paths.ts';
import { schemas } from './openapi-schemas.ts';

const description =
  'Predictions of ONNX models over HTTP. Bodies are JSON, MessagePack or raw bytes; an answer comes in the format that Accept asks for. Errors have one form everywhere: a stable code, a sentence, and details. What is no valid HTTP gets it too, with status 400, 408 or 431. The same models answer the Open Inference Protocol (KServe v2, Triton) under /v2, which is described by its own specification.';

const tags = [
  { name: 'Predictions', description: 'Rows or tensors in, predictions out.' },
  { name: 'Models', description: 'What is served, and what it takes and gives.' },
  { name: 'Operations', description: 'Health and metrics.' },
  { name: 'Documentation', description: 'This page and the document behind it.' },
];

/** Which of the routes and rules that need `auth` there are. */
export interface AccessFacts {
  readonly auth: boolean;
  readonly issuesTokens: boolean;
}

/** `version`: of the server, which is also that of the document. */
export function openApi(version: string, { auth, issuesTokens }: AccessFacts): object {
  const document = openDocument(version);
  if (!auth) return document;
  const { components } = document;
  const all = issuesTokens ? { ...document.paths, ...tokenPaths } : document.paths;
  return {
    ...document,
    security,
    tags: [...tags, { name: 'Access', description: 'Who may ask.' }],
    paths: guardedPaths(all),
    components: {
      ...components,
      schemas: { ...components.schemas, ...accessSchemas },
      headers: { ...components.headers, ...limitHeaders },
      responses: withLimitHeaders(components.responses),
      securitySchemes,
    },
  };
}

function openDocument(version: string) {
  return {
    openapi: '3.1.0',
    info: { title: 'Hotpath', version, description, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    // Relative: right behind any proxy that keeps the path.
    servers: [{ url: '/' }],
    tags,
    paths,
    components: {
      schemas: { ...schemas, ...predictionSchemas },
      parameters: { ...parameters, ...predictionParameters },
      headers: { ...headers, ...predictionHeaders },
      responses: errorResponses,
    },
  };
}
