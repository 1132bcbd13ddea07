/**
 * GETs of JSON from hosts that the operator allows: a pool per origin, redirects followed by hand because each one is checked like the
 * first address, answers bounded in size and time. Used by http-features.ts; loaded only when a model fetches features over HTTP.
 */
import { SourceFailure } from '../../core/features/source-failure.ts';
import type { PoolStatus } from '../../ports/pool-status.ts';
import { type Answer, OriginPool, type OriginPoolOptions } from './origin-pool.ts';

const maxRedirects = 2;
/** Redirects may lead to further origins; the pool used longest ago is closed then. */
const maxOrigins = 16;
const redirects: readonly number[] = [301, 302, 303, 307, 308];
/** Nothing was done, or nothing but reading: another try may find the service back. */
const passing: readonly number[] = [408, 502, 503, 504];

export type HttpClientOptions = Omit<OriginPoolOptions, 'connections' | 'maxResponseBytes'> & {
  /** Per origin. @default 8 */
  readonly connections?: number;
  /** @default 1 MiB */
  readonly maxResponseBytes?: number;
};

export class HttpClient {
  readonly #options: OriginPoolOptions;
  /** By origin; the last one was used last. */
  readonly #pools = new Map<string, OriginPool>();
  #closed = false;

  constructor(options: HttpClientOptions) {
    this.#options = { connections: 8, maxResponseBytes: 1024 * 1024, ...options };
  }

  /**
   * The parsed JSON, or undefined for 404 and 410. `authorization` goes to the origin of `url` only.
   * @throws SourceFailure.
   */
  async getJson(url: URL, timeoutMs: number, authorization: string | undefined): Promise<unknown> {
    // One limit for the whole: redirects, slow headers, bodies that come byte by byte.
    const signal = AbortSignal.timeout(timeoutMs);
    let target = url;
    for (let hops = 0; ; hops++) {
      const pool = this.#poolOf(target);
      const credentials = target.origin === url.origin ? authorization : undefined;
      const answer = await failingWell(signal, () =>
        pool.get(pathOf(target), headersOf(credentials), timeoutMs, signal),
      );
      if (redirects.includes(answer.statusCode)) {
        drop(answer);
        if (hops === maxRedirects) throw new SourceFailure(`It redirects more than ${maxRedirects} times.`, false);
        target = redirectOf(target, answer);
        continue;
      }
      return this.#read(pool, answer, signal);
    }
  }

  statuses(): readonly PoolStatus[] {
    return [...this.#pools.values()].map((pool) => pool.status());
  }

  /** Answers under way are still read. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#pools.values()].map((pool) => pool.close()));
  }

  #poolOf(url: URL): OriginPool {
    if (this.#closed) throw new SourceFailure('The client is closed.', false);
    // Also for known origins: the check costs a microsecond, forgetting it once costs more.
    this.#options.policy.check(url);
    const pool = this.#pools.get(url.origin) ?? new OriginPool(url, this.#options);
    this.#pools.delete(url.origin);
    this.#pools.set(url.origin, pool);
    if (this.#pools.size > maxOrigins) {
      const [oldest] = this.#pools.values();
      this.#pools.delete(oldest!.origin);
      oldest!.close().catch(() => {});
    }
    return pool;
  }

  async #read(pool: OriginPool, answer: Answer, signal: AbortSignal): Promise<unknown> {
    const { statusCode, headers, body } = answer;
    if (statusCode === 404 || statusCode === 410) {
      drop(answer);
      return undefined;
    }
    if (statusCode !== 200) {
      drop(answer);
      const answered = statusCode < 500 && statusCode !== 408 && statusCode !== 429;
      throw new SourceFailure(`It answered with status ${statusCode}.`, passing.includes(statusCode), { answered });
    }
    const type = String(headers['content-type'] ?? 'nothing');
    if (!/^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(type) || headers['content-encoding'] !== undefined) {
      drop(answer);
      throw new SourceFailure(`It answered ${type.slice(0, 100)} instead of plain application/json.`, false);
    }
    return failingWell(signal, async () => {
      try {
        return parse(await body.text());
      } catch (error) {
        pool.failed(error, signal.aborted);
        throw error;
      }
    });
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new SourceFailure('It answered text that is no JSON.', false);
  }
}

/** Same scheme or from http to https; no credentials in it. Its host and addresses are checked like those of the first URL. */
function redirectOf(from: URL, { headers }: Answer): URL {
  const { location } = headers;
  const to = typeof location === 'string' ? URL.parse(location, from) : null;
  if (to === null) throw new SourceFailure('It redirects to nothing.', false);
  const safe = to.protocol === from.protocol || (from.protocol === 'http:' && to.protocol === 'https:');
  if (!safe) throw new SourceFailure(`It redirects from ${from.protocol} to ${to.protocol}`, false);
  if (to.username !== '' || to.password !== '') throw new SourceFailure('It redirects with credentials.', false);
  return to;
}

/** Small bodies are read to their end, so that the connection lives on; larger ones end it. */
function drop({ body }: Answer): void {
  body.dump({ limit: 16_384 }).catch(() => {});
}

function pathOf({ pathname, search }: URL): string {
  return pathname + search;
}

function headersOf(authorization: string | undefined): Record<string, string> {
  return authorization === undefined ? { accept: 'application/json' } : { accept: 'application/json', authorization };
}

/** Errors of sockets and of undici as SourceFailure. Only a connection that was lost or never made is tried again. */
async function failingWell<T>(signal: AbortSignal, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof SourceFailure) throw error;
    if (signal.aborted) throw new SourceFailure('It did not answer in time.', false, { cause: error });
    const { code, message } = error as { code?: unknown; message?: unknown };
    const name = typeof code === 'string' ? code : String(message);
    if (name === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') throw new SourceFailure('Its answer is too large.', false);
    throw new SourceFailure(`The connection failed (${name}).`, lostCodes.has(name), { cause: error });
  }
}

const lostCodes: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'EAI_AGAIN',
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
]);
