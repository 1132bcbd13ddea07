/** The credentials among the headers of a request, or the metadata of a call. */
import type { Credentials } from '../ports/access.ts';

interface CredentialHeaders {
  readonly authorization?: string | undefined;
  readonly 'x-api-key'?: string | string[] | undefined;
}

/** A key that was sent twice is two different claims and so none: the joined text is no key. */
export function credentialsOf(headers: CredentialHeaders): Credentials {
  const apiKey = headers['x-api-key'];
  return { authorization: headers.authorization, apiKey: Array.isArray(apiKey) ? apiKey.join(', ') : apiKey };
}
