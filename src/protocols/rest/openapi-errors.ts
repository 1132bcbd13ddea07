/** One response per error status of the OpenAPI document, with an example for every code. A new code fails the build here. */
import { type ErrorCode, errorCodes } from '../../core/errors.ts';
import { type ErrorBody, statusOf } from '../http-errors.ts';
import { commonHeaders, headerRef } from './openapi-headers.ts';
import { type Ref, type Response, schemaRef } from './openapi-types.ts';

type Sample = Omit<ErrorBody['error'], 'code'>;

/** What a client may really read, one per code. */
const samples = {
  INVALID_INPUT: {
    message: 'features: expected 4 numbers, got 3',
    details: { field: 'features', expected: '4 numbers', received: '3' },
  },
  PAYLOAD_TOO_LARGE: { message: 'The body is larger than 8388608 bytes.' },
  UNSUPPORTED_MEDIA_TYPE: {
    message:
      'Content-Type: expected application/json, application/msgpack or application/octet-stream, got text/plain.',
    details: {
      field: 'Content-Type',
      expected: 'application/json, application/msgpack or application/octet-stream',
      received: 'text/plain',
    },
  },
  NOT_FOUND: { message: 'No route GET /api/v2/models; GET /docs lists them.' },
  MODEL_NOT_FOUND: { message: 'There is no model "irus".', details: { field: 'model' } },
  MODEL_NOT_READY: { message: 'The model is unloading.', details: { retryAfterSeconds: 1 } },
  MODEL_FAILED: { message: 'No output of the model is a tensor, so there is nothing to answer with.' },
  OVERLOADED: { message: '1024 predictions are in progress; try again shortly.', details: { retryAfterSeconds: 1 } },
  UNAUTHENTICATED: { message: 'Credentials that this server accepts are needed.' },
  PERMISSION_DENIED: { message: 'The caller may not use the model "iris".', details: { field: 'model' } },
  RATE_LIMITED: { message: 'Too many requests of this client are in flight.', details: { retryAfterSeconds: 1 } },
  DEADLINE_EXCEEDED: { message: 'The deadline passed before the model was free.' },
  CANCELLED: { message: 'The client left before the answer was ready.' },
  POISON_INPUT: { message: 'This input crashed the engine twice and will not be tried again.' },
  ENGINE_FAILED: { message: 'The model answered another number of rows than it was given.' },
  ENGINE_CRASHED: { message: 'The engine worker is being replaced.' },
  SHUTTING_DOWN: { message: 'The server is stopping and takes no new work.', details: { retryAfterSeconds: 1 } },
  UNSUPPORTED: { message: 'The server understood but does not offer this.' },
  INTERNAL: { message: 'Something went wrong inside the server.' },
} as const satisfies Record<ErrorCode, Sample>;

const allCodes = Object.keys(errorCodes) as ErrorCode[];

/** Which codes a kind of route can give. */
const codesOf = {
  common: ['INTERNAL'],
  model: ['INVALID_INPUT', 'NOT_FOUND', 'MODEL_NOT_FOUND', 'INTERNAL'],
  predict: allCodes,
} as const satisfies Record<string, readonly ErrorCode[]>;

/** `Error400` and so on: what a status can mean, in one response each. */
export const errorResponses: Readonly<Record<string, Response>> = Object.fromEntries(
  statusesOf(allCodes).map((status) => [`Error${status}`, responseOf(status)]),
);

/** References to the error responses of a kind of route, by status. */
export function errorRefs(kind: keyof typeof codesOf): Record<string, Ref> {
  const refs = statusesOf(codesOf[kind]).map((status) => {
    return [String(status), { $ref: `#/components/responses/Error${status}` }];
  });
  return Object.fromEntries(refs);
}

function statusesOf(codes: readonly ErrorCode[]): number[] {
  return [...new Set(codes.map((code) => statusOf[code]))].sort((a, b) => a - b);
}

function responseOf(status: number): Response {
  const codes = allCodes.filter((code) => statusOf[code] === status);
  const retries = status === 429 || status === 503;
  const unknown = status === 401;
  return {
    description: codes.map((code) => `\`${code}\``).join(', '),
    headers: {
      ...commonHeaders,
      'X-Process-Time': headerRef('ProcessTime'),
      ...(retries ? { 'Retry-After': headerRef('RetryAfter') } : {}),
      ...(unknown ? { 'WWW-Authenticate': headerRef('WwwAuthenticate') } : {}),
    },
    content: {
      'application/json': {
        schema: schemaRef('Error'),
        examples: Object.fromEntries(codes.map((code) => [code, exampleOf(code)])),
      },
    },
  };
}

function exampleOf(code: ErrorCode): { summary: string; value: ErrorBody } {
  return { summary: errorCodes[code], value: { error: { code, ...samples[code] } } };
}
