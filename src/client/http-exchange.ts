/**
 * One call over HTTP: attempts with fetch, each under the call's deadline, errors as HotpathClientError. Made once per fetch
 * client; knows no route and no body.
 */
import { type ClientClock, Deadline } from './deadline.ts';
import { errorOfAnswer, errorOfFetch } from './http-errors.ts';
import type { Retrier } from './retry.ts';

/** What every call takes. */
export interface CallOptions {
  /** Ends the call with CANCELLED. */
  readonly signal?: AbortSignal;
  /**
   * Milliseconds for the whole call, retries included. The server is told what is left, and drops the request when it is over.
   * @default that of the client; without one the model's SLO decides
   */
  readonly timeoutMs?: number;
  /** Added to those of the client. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface HttpOptions {
  readonly url: string;
  readonly fetch: typeof globalThis.fetch;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number | undefined;
  readonly clock: ClientClock;
  readonly retrier: Retrier;
}

const decoder = new TextDecoder();

export class HttpExchange {
  readonly #options: HttpOptions;

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  /** `request` is made anew for each attempt, from the milliseconds left; `repeatable` as in Retrier. @throws HotpathClientError. */
  async call(
    options: CallOptions,
    request: (leftMs: number | undefined) => HttpRequest,
    repeatable = true,
  ): Promise<HttpAnswer> {
    const deadline = this.#deadlineOf(options);
    try {
      const attempt = () => this.#attempt(deadline, request(deadline.leftMs()), options.headers);
      return await this.#options.retrier.run(deadline, attempt, repeatable);
    } finally {
      deadline.finish();
    }
  }

  /** One attempt of a GET; the status, or undefined when nobody answered. @throws CANCELLED. */
  async probe(options: CallOptions, path: string): Promise<number | undefined> {
    const deadline = this.#deadlineOf(options);
    try {
      const response = await this.#send(deadline, { method: 'GET', path }, options.headers);
      await response.body?.cancel();
      return response.status;
    } catch (error) {
      if (options.signal?.aborted) throw error;
      return undefined;
    } finally {
      deadline.finish();
    }
  }

  #deadlineOf({ timeoutMs, signal }: CallOptions): Deadline {
    const { clock } = this.#options;
    return new Deadline(clock, timeoutMs ?? this.#options.timeoutMs, signal);
  }

  async #attempt(deadline: Deadline, request: HttpRequest, headers: CallOptions['headers']): Promise<HttpAnswer> {
    const response = await this.#send(deadline, request, headers);
    const { status } = response;
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      bytes = new Uint8Array(await response.arrayBuffer());
    } catch (cause) {
      deadline.check();
      throw errorOfFetch(cause);
    }
    if (response.ok) return { status, headers: response.headers, bytes };
    throw errorOfAnswer(status, response.headers, decoder.decode(bytes), Date.now());
  }

  async #send(deadline: Deadline, request: HttpRequest, headers: CallOptions['headers']): Promise<Response> {
    const { url, fetch, headers: own } = this.#options;
    const { method, path, body } = request;
    deadline.check();
    try {
      return await fetch(url + path, {
        method,
        headers: { ...own, ...headers, ...request.headers },
        signal: deadline.signal,
        ...(body === undefined ? {} : { body }),
      });
    } catch (cause) {
      deadline.check();
      throw errorOfFetch(cause);
    }
  }
}
