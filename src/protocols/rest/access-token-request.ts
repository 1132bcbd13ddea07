/** What a request for a token asks: a form as OAuth 2 clients send it, or the same names in JSON. Pure; used by access-token.ts. */

export interface TokenRequest {
  readonly username: string;
  readonly password: string;
}

/** In the words of RFC 6749, section 5.2. */
export interface TokenRefusal {
  readonly error:
    | 'invalid_request'
    | 'invalid_grant'
    | 'unsupported_grant_type'
    | 'temporarily_unavailable'
    | 'server_error';
  readonly description: string;
}

const form = 'application/x-www-form-urlencoded';

export function readTokenRequest(contentType: string | undefined, body: Uint8Array): TokenRequest | TokenRefusal {
  const type = contentType?.split(';')[0]?.trim().toLowerCase();
  const text = new TextDecoder().decode(body);
  if (type === form) return check(fieldsOfForm(text), true);
  if (type === 'application/json') return check(fieldsOfJson(text), false);
  return invalid(`Content-Type: expected ${form} or application/json.`);
}

/** Undefined when a field comes twice, which the RFC forbids. */
function fieldsOfForm(text: string): Readonly<Record<string, unknown>> | undefined {
  const pairs = [...new URLSearchParams(text)];
  const fields = Object.fromEntries(pairs);
  return Object.keys(fields).length === pairs.length ? fields : undefined;
}

function fieldsOfJson(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function check(
  fields: Readonly<Record<string, unknown>> | undefined,
  namesGrant: boolean,
): TokenRequest | TokenRefusal {
  if (fields === undefined) return invalid('The body is malformed, or names a field twice.');
  const { grant_type: grant, username, password } = fields;
  if (grant === undefined && namesGrant) return invalid('grant_type: expected "password", got nothing.');
  if (grant !== undefined && grant !== 'password') {
    return { error: 'unsupported_grant_type', description: 'grant_type: expected "password".' };
  }
  if (typeof username !== 'string' || username === '') return invalid('username: expected the name of a user.');
  if (typeof password !== 'string' || password === '') return invalid('password: expected a password.');
  return { username, password };
}

function invalid(description: string): TokenRefusal {
  return { error: 'invalid_request', description };
}
