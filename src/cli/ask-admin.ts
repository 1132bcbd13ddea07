/**
 * Requests to the admin listener of a running server, whose answer is one JSON value or lines of JSON. Called by `cache`. With access
 * control on, the key comes from the environment: a command line is for everybody to read.
 */
import { AskError } from './ask-server.ts';

export const defaultAdminUrl = 'http://127.0.0.1:8002';
export const apiKeyVariable = 'HOTPATH_API_KEY';

export interface AdminTarget {
  readonly url: string;
  readonly apiKey: string | undefined;
}

interface ErrorLine {
  readonly error?: { readonly code?: string; readonly message?: string };
}

/** @throws AskError when the server is not there, answers no JSON or answers an error. */
export async function askAdmin(target: AdminTarget, path: string, body?: unknown): Promise<unknown> {
  let last: unknown;
  for await (const value of askAdminLines(target, path, body)) last = value;
  return last;
}

/** One value per line, as they come. @throws AskError, also when the server breaks off. */
export async function* askAdminLines(target: AdminTarget, path: string, body?: unknown): AsyncGenerator<unknown> {
  const response = await send(target, path, body);
  let text = '';
  try {
    // A terminal's user may wait for hours, and lines come twice a second.
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const lines = text.split('\n');
      text = lines.pop()!;
      for (const line of lines) if (line !== '') yield parse(target, response, line);
    }
  } catch (error) {
    if (error instanceof AskError) throw error;
    throw new AskError(`${target.url} broke off its answer.`);
  }
  if (text !== '' || !response.ok) yield parse(target, response, text);
}

async function send({ url, apiKey }: AdminTarget, path: string, body: unknown): Promise<Response> {
  const headers: Record<string, string> = apiKey === undefined ? {} : { 'x-api-key': apiKey };
  if (body !== undefined) headers['content-type'] = 'application/json';
  const init = body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) };
  try {
    return await fetch(url.replace(/\/$/, '') + path, init);
  } catch (error) {
    const cause = (error as { cause?: { code?: string; message?: string } }).cause;
    throw new AskError(`No server answers at ${url} (${cause?.code ?? cause?.message ?? (error as Error).message}).`);
  }
}

function parse({ url }: AdminTarget, response: Response, line: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new AskError(
      `${url} answered ${response.status} without JSON. Is it the admin listener of a Hotpath server?`,
    );
  }
  const { error } = (value ?? {}) as ErrorLine;
  if (response.ok && error === undefined) return value;
  throw new AskError(`${error?.code ?? response.status}: ${error?.message ?? 'the server gave no reason.'}`);
}
