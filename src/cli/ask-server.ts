/**
 * One JSON request to a running server, with errors as sentences. Called by `models` and `predict`.
 * Must never be used by the server itself.
 */

/** A request that got no good answer; the message is for the terminal. */
export class AskError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'AskError';
  }
}

export const defaultServerUrl = 'http://127.0.0.1:8000';

interface ErrorBody {
  readonly error?: { readonly code?: string; readonly message?: string };
}

/** @throws AskError when the server is not there, answers no JSON or answers an error. */
export async function askServer(baseUrl: string, path: string, body?: unknown): Promise<unknown> {
  const init =
    body === undefined
      ? {}
      : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  let response: Response;
  try {
    response = await fetch(baseUrl.replace(/\/$/, '') + path, init);
  } catch (error) {
    const cause = (error as { cause?: { code?: string; message?: string } }).cause;
    throw new AskError(
      `No server answers at ${baseUrl} (${cause?.code ?? cause?.message ?? (error as Error).message}).`,
    );
  }
  let answer: unknown;
  try {
    answer = await response.json();
  } catch {
    throw new AskError(`${baseUrl} answered ${response.status} without JSON. Is it a Hotpath server?`);
  }
  if (!response.ok) {
    const { code, message } = (answer as ErrorBody).error ?? {};
    throw new AskError(`${code ?? response.status}: ${message ?? 'the server gave no reason.'}`);
  }
  return answer;
}
