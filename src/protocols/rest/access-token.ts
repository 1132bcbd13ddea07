/**
 * POST /token, by which a user gets a bearer token for a password, and the public keys behind these tokens. The one route whose errors
 * have the form of RFC 6749, section 5.2: it is called by OAuth 2 libraries. Neither route is there unless it was given what it needs.
 */
import type { FastifyInstance } from 'fastify';
import type { IssueToken } from '../../core/access/login.ts';
import { type HotpathError, toHotpathError } from '../../core/errors.ts';
import { statusOf } from '../http-errors.ts';
import { readTokenRequest, type TokenRefusal } from './access-token-request.ts';
import { contentTypes } from './body-format.ts';
import type { RestContext } from './context.ts';
import { type NodeWire, wireOf } from './node-wire.ts';
import { send } from './send.ts';
import { finishError, sendError } from './send-error.ts';

const maxBodyBytes = 8 * 1024;
const uncached = ['cache-control', 'no-store', 'pragma', 'no-cache'];
/** Long enough to spare us the questions, short enough for a new key to be known in time. */
const fiveMinutes = 'public, max-age=300';

export function addTokenRoutes(app: FastifyInstance, context: RestContext): void {
  const { issueToken, jwks } = context.deps;
  const config = { role: 'public' } as const;
  if (issueToken !== undefined) {
    app.post('/token', { config }, (request, reply) => {
      reply.hijack();
      takeRequest(context, wireOf(request, reply, context.requestTimeoutMs), issueToken);
    });
  }
  if (jwks === undefined) return;
  app.get('/.well-known/jwks.json', { config }, (request, reply) => {
    reply.hijack();
    const wire = wireOf(request, reply, context.requestTimeoutMs);
    jwks().then(
      (keys) => send(context, wire, 200, contentTypes.json, JSON.stringify(keys), ['cache-control', fiveMinutes]),
      (error: unknown) => void sendError(context, wire, error),
    );
  });
}

function takeRequest(context: RestContext, wire: NodeWire, issue: IssueToken): void {
  const limits = { ...context.limitsOf('json'), maxBytes: maxBodyBytes };
  const fail = (error: unknown): void => sendRefusal(context, wire, toHotpathError(error));
  const onBody = (body: Buffer): void => void answer(context, wire, issue, body).catch(fail);
  wire.receive(limits, { onBody, fail });
}

async function answer(context: RestContext, wire: NodeWire, issue: IssueToken, body: Buffer): Promise<void> {
  const asked = readTokenRequest(wire.headers['content-type'], body);
  if ('error' in asked) {
    sendForm(context, wire, 400, asked, []);
    return;
  }
  const issued = await issue(asked.username, asked.password);
  if (issued instanceof Error) sendRefusal(context, wire, issued);
  else send(context, wire, 200, contentTypes.json, JSON.stringify(issued), [...uncached]);
}

function sendRefusal(context: RestContext, wire: NodeWire, error: HotpathError): void {
  if (error.code === 'UNAUTHENTICATED') {
    // What the RFC wants for a wrong password, whether there is such a user or not.
    const refusal = { error: 'invalid_grant', description: 'The user name or the password is wrong.' } as const;
    sendForm(context, wire, 400, refusal, []);
    return;
  }
  const headers: string[] = [];
  finishError(context, wire, error, headers);
  const status = statusOf[error.code];
  const word = status === 429 || status === 503 ? 'temporarily_unavailable' : wordOf(status);
  sendForm(context, wire, status, { error: word, description: error.message }, headers);
}

function wordOf(status: number): TokenRefusal['error'] {
  return status < 500 ? 'invalid_request' : 'server_error';
}

function sendForm(
  context: RestContext,
  wire: NodeWire,
  status: number,
  { error, description }: TokenRefusal,
  headers: readonly string[],
): void {
  const body = JSON.stringify({ error, error_description: description });
  send(context, wire, status, contentTypes.json, body, [...headers, ...uncached]);
}
