/**
 * What `auth` adds to the OpenAPI document: how to identify, where that is not needed, the refusals, and the routes of tokens. Data and
 * one pass over the other paths, so that these need not know of it.
 */
import { commonHeaders } from './openapi-headers.ts';
import { integer, type Operation, objectOf, type PathItem, type Ref, type Response, text } from './openapi-types.ts';

export const securitySchemes = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    description: 'A token of POST /token or of an accepted issuer, or an API key.',
  },
  apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'An API key.' },
} as const;

/** Either of them. */
export const security = [{ bearer: [] }, { apiKey: [] }];

/** Where clients without credentials have to come; a test compares them with the registered roles. */
const publicPaths: ReadonlySet<string> = new Set([
  '/',
  '/health',
  '/health/live',
  '/health/ready',
  '/docs',
  '/docs/openapi.json',
  '/token',
  '/.well-known/jwks.json',
]);

const refusals: Readonly<Record<string, Ref>> = {
  401: { $ref: '#/components/responses/Error401' },
  403: { $ref: '#/components/responses/Error403' },
};

/** The same paths, each with what it demands and how it refuses. */
export function guardedPaths(paths: Readonly<Record<string, PathItem>>): Record<string, PathItem> {
  return Object.fromEntries(
    Object.entries(paths).map(([path, item]) => [path, guardedItem(item, publicPaths.has(path))]),
  );
}

function guardedItem(item: PathItem, isPublic: boolean): PathItem {
  const operations = Object.entries(item).map(([method, operation]) => {
    const { responses } = operation as Operation;
    const more = isPublic ? { security: [] } : { responses: { ...refusals, ...withLimits(responses) } };
    return [method, { ...operation, ...more }];
  });
  return Object.fromEntries(operations);
}

/** `headers`: of RATE_LIMITED answers and of predictions of callers with limits. */
export const limitHeaders = {
  RateLimitRemaining: {
    description:
      'Requests left under the limit that is nearest to its end. Beside it: RateLimit-Limit, -Reset, -Policy.',
    schema: { type: 'integer' },
    example: 41,
  },
} as const;

export const accessSchemas = {
  Token: objectOf<{ access_token: string; token_type: string; expires_in: number }>('A bearer token.', {
    access_token: text('For `Authorization: Bearer`.'),
    token_type: text('Bearer.'),
    expires_in: integer('Seconds until it ends.'),
  }),
  TokenError: objectOf<{ error: string; error_description: string }>('An error as RFC 6749, section 5.2, has it.', {
    error: text('invalid_request, invalid_grant, unsupported_grant_type, temporarily_unavailable or server_error.'),
    error_description: text('A sentence for people.'),
  }),
};

const remaining = { 'RateLimit-Remaining': { $ref: '#/components/headers/RateLimitRemaining' } };

/** The answers of what is counted against limits, which is what can be refused for them. */
function withLimits(responses: Operation['responses']): Operation['responses'] {
  const ok = responses[200];
  if (responses[429] === undefined || ok === undefined || '$ref' in ok) return responses;
  return { ...responses, 200: { ...ok, headers: { ...ok.headers, ...remaining } } };
}

/** The shared responses, with what a caller beyond its limits reads. */
export function withLimitHeaders(responses: Readonly<Record<string, Response>>): Record<string, Response> {
  const { Error429: limited, ...others } = responses;
  return limited === undefined
    ? others
    : { ...others, Error429: { ...limited, headers: { ...limited.headers, ...remaining } } };
}

const asked = { type: 'object', required: ['username', 'password'] } as const;
const fields = {
  grant_type: { type: 'string', enum: ['password'], description: 'Required in a form.' },
  username: text('Name of a configured user.'),
  password: text('The password.'),
} as const;

export const tokenPaths: Readonly<Record<string, PathItem>> = {
  '/token': {
    post: {
      operationId: 'issueToken',
      tags: ['Access'],
      summary: 'Get a token for a password',
      description: 'The password grant of OAuth 2. Bodies are at most 8 KiB.',
      requestBody: {
        required: true,
        content: {
          'application/x-www-form-urlencoded': { schema: { ...asked, properties: fields } },
          'application/json': {
            schema: { ...asked, properties: fields },
            examples: { ann: { summary: 'A user', value: { username: 'ann', password: 'correct horse' } } },
          },
        },
      },
      responses: {
        200: {
          description: 'The token.',
          headers: commonHeaders,
          content: {
            'application/json': {
              schema: { $ref: '#/components/schemas/Token' },
              examples: {
                token: { summary: 'A token', value: { access_token: 'eyJ…', token_type: 'Bearer', expires_in: 900 } },
              },
            },
          },
        },
        400: refusal('The request is malformed (`invalid_request`), or name or password are wrong (`invalid_grant`).'),
        413: refusal('The body is too large.'),
        429: refusal('Too many attempts; `Retry-After` says when to come again.'),
        500: refusal('A bug.'),
      },
    },
  },
  '/.well-known/jwks.json': {
    get: {
      operationId: 'tokenKeys',
      tags: ['Access'],
      summary: 'Public keys of the tokens',
      description: 'A JSON Web Key Set, by which others can check tokens of this server.',
      responses: {
        200: {
          description: 'The keys.',
          headers: commonHeaders,
          content: { 'application/json': { schema: { type: 'object', description: 'A JSON Web Key Set.' } } },
        },
        500: { $ref: '#/components/responses/Error500' },
      },
    },
  },
};

function refusal(description: string): Response {
  return {
    description,
    headers: commonHeaders,
    content: { 'application/json': { schema: { $ref: '#/components/schemas/TokenError' } } },
  };
}
