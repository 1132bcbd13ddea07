/**
 * Several HTTP processes as one server: an admin operation done in one is done in all, a scrape of one counts all.
 * Used by server.ts only, when there is a supervisor. A sibling that fails fails the operation with a sentence of its own.
 */
import type { Override } from './adapters/filesystem/overlay-source.ts';
import type { WorkerLink } from './cli/worker-link.ts';
import { HotpathError } from './core/errors.ts';
import type { ModelCatalog } from './core/registry/catalog.ts';
import { contentType } from './observability/exposition.ts';
import type { LeveledLogger, LogLevel } from './observability/logging.ts';
import { aggregate, type Metrics, type MetricsPage } from './observability/metrics.ts';
import { addTritonCounters, type TritonCounters } from './observability/triton-statistics.ts';
import type { Invalidation } from './ports/cache-store.ts';
import type { LoadRequest } from './protocols/oip/repository.ts';
import type { CacheQuestion } from './server-cache.ts';
import type { OverridableCatalog } from './server-overrides.ts';

type Question =
  | { readonly type: 'load'; readonly model: string; readonly version: string | undefined }
  | { readonly type: 'unload'; readonly model: string; readonly version: string | undefined; readonly hold: boolean }
  | { readonly type: 'reload'; readonly model: string }
  | { readonly type: 'take-over'; readonly model: string }
  | { readonly type: 'load-override'; readonly model: string; readonly override: Override }
  | { readonly type: 'overrides' }
  | { readonly type: 'log-level'; readonly level: LogLevel }
  | { readonly type: 'cache'; readonly question: CacheQuestion }
  | { readonly type: 'invalidate-cache'; readonly invalidation: Invalidation }
  | { readonly type: 'metrics' }
  | { readonly type: 'statistics' };

export interface Siblings {
  /** The catalog whose changes reach every process. */
  readonly catalog: ModelCatalog;
  loadOverride(request: LoadRequest): Promise<void>;
  /** A reload in every process that has the model loaded; the others take its folder as it is when they are asked for it. */
  takeOver(model: string): Promise<void>;
  /** Before the first load: takes over what load calls brought to the processes that serve already. */
  adoptOverrides(): Promise<void>;
  setLogLevel(level: LogLevel): Promise<void>;
  /** What the others answer; who does not is left out. */
  askCache(question: CacheQuestion): Promise<readonly unknown[]>;
  /** @throws INTERNAL when one of them did not take it. */
  tellInvalidation(invalidation: Invalidation): Promise<void>;
  exposition(): Promise<MetricsPage>;
  statistics(): Promise<readonly TritonCounters[]>;
}

interface Own {
  readonly catalog: OverridableCatalog;
  readonly overrides: () => ReadonlyMap<string, Override>;
  readonly logger: LeveledLogger;
  readonly metrics: Metrics;
  readonly answerCache: (question: CacheQuestion) => Promise<unknown>;
  readonly dropCached: (invalidation: Invalidation) => void;
}

const scrapeTimeoutMs = 2000;

export function linkSiblings(link: WorkerLink | undefined, own: Own, operationTimeoutMs: number): Siblings {
  const { catalog, logger, metrics } = own;
  if (link === undefined) {
    return {
      catalog,
      loadOverride: async (request) => void (await catalog.loadOverride(request)),
      takeOver: (model) => reloadIfLoaded(catalog, model),
      adoptOverrides: async () => {},
      setLogLevel: async (level) => logger.setLevel(level),
      askCache: async () => [],
      tellInvalidation: async () => {},
      exposition: () => metrics.exposition(),
      statistics: async () => metrics.tritonCounters(),
    };
  }
  link.onMessage((body) => answer(body as Question, own));
  const everywhere = async (question: Question): Promise<void> => {
    const replies = await link.broadcast(question, operationTimeoutMs);
    const failed = replies.find((reply) => !reply.ok);
    if (failed !== undefined && !failed.ok) {
      throw new HotpathError('INTERNAL', `Done here, but process ${failed.workerId} failed: ${failed.error}`);
    }
  };
  return {
    catalog: {
      list: (model) => catalog.list(model),
      snapshot: () => catalog.snapshot(),
      describe: (model, version) => catalog.describe(model, version),
      async load(model, version) {
        const status = await catalog.load(model, version);
        await everywhere({ type: 'load', model, version });
        return status;
      },
      async unload(model, version, hold = false) {
        await catalog.unload(model, version, hold);
        await everywhere({ type: 'unload', model, version, hold });
      },
      async reload(model) {
        const status = await catalog.reload(model);
        await everywhere({ type: 'reload', model });
        return status;
      },
    },
    async loadOverride(request) {
      const override = await catalog.loadOverride(request);
      // Not the bytes: a sibling copies the files from where they lie.
      await everywhere({ type: 'load-override', model: request.model, override });
    },
    async takeOver(model) {
      await reloadIfLoaded(catalog, model);
      await everywhere({ type: 'take-over', model });
    },
    async adoptOverrides() {
      const replies = await link.broadcast({ type: 'overrides' } satisfies Question, scrapeTimeoutMs);
      const first = replies.find((reply) => reply.ok);
      if (first?.ok) await catalog.begin(first.value as [string, Override][]);
    },
    async setLogLevel(level) {
      logger.setLevel(level);
      await everywhere({ type: 'log-level', level });
    },
    async askCache(question) {
      const replies = await link.broadcast({ type: 'cache', question } satisfies Question, scrapeTimeoutMs);
      return replies.flatMap((reply) => (reply.ok ? [reply.value] : []));
    },
    tellInvalidation: (invalidation) => everywhere({ type: 'invalidate-cache', invalidation }),
    async exposition() {
      const [mine, replies] = await Promise.all([
        metrics.metricsAsJson(),
        link.broadcast({ type: 'metrics' } satisfies Question, scrapeTimeoutMs),
      ]);
      // A sibling that died or restarts right now is missing from this scrape, as any process would be.
      const others = replies.flatMap((reply) => (reply.ok ? [reply.value as typeof mine] : []));
      return { contentType, body: await aggregate([mine, ...others]) };
    },
    async statistics() {
      const mine = metrics.tritonCounters();
      const replies = await link.broadcast({ type: 'statistics' } satisfies Question, scrapeTimeoutMs);
      return addTritonCounters([mine, ...replies.flatMap((reply) => (reply.ok ? [reply.value as typeof mine] : []))]);
    },
  };
}

async function answer(question: Question, own: Own): Promise<unknown> {
  const { catalog, overrides, logger, metrics } = own;
  switch (question.type) {
    case 'load':
      await catalog.load(question.model, question.version);
      return undefined;
    case 'unload':
      await catalog.unload(question.model, question.version, question.hold);
      return undefined;
    case 'reload':
      await catalog.reload(question.model);
      return undefined;
    case 'take-over':
      await reloadIfLoaded(catalog, question.model);
      return undefined;
    case 'load-override':
      await catalog.adopt(question.model, question.override);
      return undefined;
    case 'overrides':
      return [...overrides()];
    case 'log-level':
      logger.setLevel(question.level);
      return undefined;
    case 'cache':
      return own.answerCache(question.question);
    case 'invalidate-cache':
      own.dropCached(question.invalidation);
      return undefined;
    case 'metrics':
      return metrics.metricsAsJson();
    case 'statistics':
      return metrics.tritonCounters();
  }
}

async function reloadIfLoaded(catalog: ModelCatalog, model: string): Promise<void> {
  if (catalog.snapshot().some(({ name, loaded }) => name === model && loaded !== undefined))
    await catalog.reload(model);
}
