/** Request parameters and response headers of the OpenAPI document, defined once and referred to by name. Data only. */
import { priorityValues, timeout } from './openapi-predict-schemas.ts';
import type { Header, Parameter, Ref } from './openapi-types.ts';

const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

export const parameters = {
  Model: {
    name: 'model',
    in: 'path',
    required: true,
    description: 'Name of the model.',
    schema: { type: 'string' },
    example: 'iris',
  },
  Version: {
    name: 'version',
    in: 'path',
    required: true,
    description: 'Version of the model, or one of its labels.',
    schema: { type: 'string' },
    example: '1',
  },
  TimeoutMs: {
    name: 'X-Timeout-Ms',
    in: 'header',
    description: 'The deadline. `options.timeoutMs` of the body wins.',
    schema: timeout,
    example: 250,
  },
  Priority: {
    name: 'X-Priority',
    in: 'header',
    description: 'Importance of the request. `options.priority` of the body wins.',
    schema: { type: 'integer', enum: priorityValues, default: 0 },
    example: 0,
  },
  RequestId: {
    name: 'X-Request-Id',
    in: 'header',
    description:
      'Your id for the request; comes back in the answer and stands in the log. One is made when absent or odd.',
    schema: { type: 'string', pattern: '^[A-Za-z0-9._-]{1,128}$' },
    example: 'order-4711',
  },
  Traceparent: {
    name: 'traceparent',
    in: 'header',
    description: 'W3C trace context; comes back in the answer and stands in the log.',
    schema: { type: 'string' },
    example: traceparent,
  },
  TensorShape: {
    name: 'X-Tensor-Shape',
    in: 'header',
    description: 'For application/octet-stream: dimensions of the tensor. Derived from the byte count when absent.',
    schema: { type: 'string' },
    example: '1,4',
  },
  TensorOutputs: {
    name: 'X-Tensor-Outputs',
    in: 'header',
    description: 'For application/octet-stream: names of the outputs wanted, separated by commas. Default: all.',
    schema: { type: 'string' },
    example: 'probabilities',
  },
  Accept: {
    name: 'Accept',
    in: 'header',
    description:
      'Format of the answer: application/json, application/msgpack, application/octet-stream (one output as raw bytes) or application/x-ndjson (large batches as lines). Default: MessagePack for MessagePack, else JSON.',
    schema: { type: 'string' },
    example: 'application/json',
  },
  ContentEncoding: {
    name: 'Content-Encoding',
    in: 'header',
    description: 'Compression of the body.',
    schema: { type: 'string', enum: ['gzip', 'br', 'deflate', 'zstd'] },
  },
  IfNoneMatch: {
    name: 'If-None-Match',
    in: 'header',
    description: 'ETag of an earlier answer; gives 304 when nothing has changed.',
    schema: { type: 'string' },
  },
} as const satisfies Record<string, Parameter>;

export const headers = {
  RequestId: {
    description: 'Id of the request, as sent or as made here.',
    schema: { type: 'string' },
    example: '1f65faaa742f-6',
  },
  Traceparent: {
    description: 'The trace context of the request, unchanged.',
    schema: { type: 'string' },
    example: traceparent,
  },
  ServerTiming: {
    description:
      'Milliseconds per stage: decode, queue, batch, infer, encode. Browsers show it in their network panel.',
    schema: { type: 'string' },
    example: 'decode;dur=0.389, queue;dur=1.247, batch;dur=0.508, infer;dur=0.446, encode;dur=0.526',
  },
  ProcessTime: {
    description: 'Seconds from the arrival of the headers to the answer.',
    schema: { type: 'number' },
    example: 0.002352,
  },
  RetryAfter: {
    description: 'Seconds after which a retry may succeed. Absent where retrying does not help.',
    schema: { type: 'integer', minimum: 1 },
    example: 1,
  },
  WwwAuthenticate: { description: 'How to identify: Bearer.', schema: { type: 'string' }, example: 'Bearer' },
  ETag: {
    description: 'Changes when the content changes.',
    schema: { type: 'string' },
    example: '"85J4WC90zK0GyqsLSumg68_dO8h"',
  },
  TensorDatatype: {
    description: 'Type of the elements of a raw answer.',
    schema: { type: 'string' },
    example: 'float32',
  },
  TensorShape: { description: 'Dimensions of a raw answer.', schema: { type: 'string' }, example: '1,3' },
  TensorName: {
    description: 'Percent-encoded name of the output of a raw answer.',
    schema: { type: 'string' },
    example: 'probabilities',
  },
} as const satisfies Record<string, Header>;

export function parameterRefs(...names: readonly (keyof typeof parameters)[]): Ref[] {
  return names.map((name) => ({ $ref: `#/components/parameters/${name}` }));
}

/** Headers that every answer has. */
export const commonHeaders = {
  'X-Request-Id': headerRef('RequestId'),
  traceparent: headerRef('Traceparent'),
} as const;

export function headerRef(name: keyof typeof headers): Ref {
  return { $ref: `#/components/headers/${name}` };
}
