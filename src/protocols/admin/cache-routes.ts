/**
 * The cache on the admin listener: what it holds, dropping entries, filling it. A warm-up answers with lines of JSON while it runs and
 * ends with its client. Called by admin-server.ts; the composition root does the work. Must never wait for a warm-up at shutdown.
 */
import { PassThrough } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { WarmJob, WarmStatus } from '../../core/cache-warming/warm-ups.ts';
import { toHotpathError } from '../../core/errors.ts';
import type { CacheStatus, DroppedEntries } from '../../ports/cache-status.ts';
import type { Invalidation } from '../../ports/cache-store.ts';
import { type AuditDeps, audited } from '../audit.ts';
import { type ErrorBody, errorBody } from '../http-errors.ts';
import { checkModel, visibleTo } from '../model-scope.ts';
import { readInvalidation, readWarmRequest, type WarmRequest } from './cache-requests.ts';

export type { WarmRequest } from './cache-requests.ts';

export interface CacheAdmin {
  /** Of this process and its siblings together. */
  status(): Promise<CacheStatus & { readonly processes: number }>;
  /** Everywhere. @throws MODEL_NOT_FOUND, and INVALID_INPUT for a model without a cache. */
  invalidate(invalidation: Invalidation): Promise<DroppedEntries>;
  /** Begins, or waits for its turn. @throws MODEL_NOT_FOUND, MODEL_FAILED, INVALID_INPUT. */
  warm(request: WarmRequest): Promise<WarmJob>;
}

/** One line of the answer; the last has `done`, `stopped` or an error. */
export type WarmLine = WarmStatus | ErrorBody;

export interface CacheRouteDeps extends AuditDeps {
  /** Absent: there are no such routes. */
  readonly cache?: CacheAdmin | undefined;
}

const lineEveryMs = 500;
const config = { role: 'operate' } as const;

export function addCacheRoutes(app: FastifyInstance, deps: CacheRouteDeps): void {
  const { cache, logger } = deps;
  if (cache === undefined) return;
  app.get('/admin/cache', { config }, async ({ caller }) => {
    const { models, ...rest } = await cache.status();
    const named = models.map((each) => ({ name: each.model, each }));
    return { ...rest, models: visibleTo(caller, named).map(({ each }) => each) };
  });
  app.post('/admin/cache/invalidate', { config }, async ({ body, caller }) => {
    const invalidation = readInvalidation(body);
    checkModel(caller, invalidation.model);
    const act = () => cache.invalidate(invalidation);
    const dropped = await audited(deps, caller, 'cache.invalidate', targetOf(invalidation), act);
    logger.info({ ...invalidation, ...dropped }, 'cache invalidated by the admin API');
    return dropped;
  });
  const running = new Set<WarmJob>();
  // Before the listener waits for its open requests: a warm-up may take an hour.
  app.addHook('preClose', async () => {
    for (const job of running) job.cancel('The server is stopping.');
  });
  app.post('/admin/cache/warm', { config }, async ({ body, caller }, reply) => {
    const request = readWarmRequest(body);
    checkModel(caller, request.model);
    const job = await audited(deps, caller, 'cache.warm', targetOf(request), () => cache.warm(request));
    logger.info({ ...request }, 'cache warm-up asked for by the admin API');
    running.add(job);
    const lines = streamLines(job, () => running.delete(job));
    const leave = (): void => job.cancel('The client left.');
    if (reply.raw.closed) leave();
    else reply.raw.once('close', leave);
    return reply.header('content-type', 'application/x-ndjson').send(lines);
  });
}

function targetOf({ model, version }: Invalidation): string {
  return version === undefined ? model : `${model}/${version}`;
}

function streamLines(job: WarmJob, onEnd: () => void): PassThrough {
  const stream = new PassThrough();
  // The client left; its warm-up is cancelled by then.
  stream.on('error', () => {});
  const write = (line: WarmLine): void => void (stream.destroyed || stream.write(`${JSON.stringify(line)}\n`));
  // A client that does not read must not make lines pile up.
  const timer = setInterval(() => stream.writableNeedDrain || write(job.status()), lineEveryMs);
  const end = (last: WarmLine): void => {
    clearInterval(timer);
    write(last);
    stream.end();
    onEnd();
  };
  write(job.status());
  job.result.then(end, (thrown) => end(errorBody(toHotpathError(thrown))));
  return stream;
}
