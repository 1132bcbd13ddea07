/** The routes of the protocol on the real registry with models in memory. Tests only. */
import assert from 'node:assert/strict';
import Fastify, { type FastifyInstance, type LightMyRequestResponse } from 'fastify';
import { type FakeFolder, type RegistryWorld, registryWorld } from '../../../core/testing/registry-world.ts';
import type { LogLevel } from '../log-settings.ts';
import type { OipDeps } from '../oip-deps.ts';
import { addOipRoutes } from '../oip-routes.ts';
import type { OipTarget } from '../read-json-request.ts';
import type { DurationTotal, ModelCounters } from '../statistics.ts';

const total = (count: number, ns: number): DurationTotal => ({ count, ns });

const counters: ModelCounters = {
  lastInferenceMs: 1_700_000_000_123.9,
  inferenceRows: 12,
  executions: 3,
  success: total(10, 1e9 + 0.4),
  fail: total(1, 5),
  queue: total(10, 7),
  computeInput: total(10, 8),
  computeInfer: total(10, 9),
  computeOutput: total(10, 10),
  cacheHit: total(2, 11),
  cacheMiss: total(8, 12),
  batches: [{ rows: 4, computeInput: total(3, 1), computeInfer: total(3, 2), computeOutput: total(3, 3) }],
};

export interface Served extends RegistryWorld {
  readonly app: FastifyInstance;
  readonly exchanged: OipTarget[];
  readonly errors: string[];
  level: LogLevel;
  get(url: string): Promise<LightMyRequestResponse>;
  post(url: string, body?: string | object, headers?: Record<string, string>): Promise<LightMyRequestResponse>;
}

/** The real routes on the real registry; models are in memory. */
export function serve(folders: Record<string, FakeFolder>, more: Partial<OipDeps> = {}): Served {
  const world = registryWorld(folders);
  const app = Fastify();
  const exchanged: OipTarget[] = [];
  const errors: string[] = [];
  const quiet = () => {};
  const served: Served = {
    ...world,
    app,
    exchanged,
    errors,
    level: 'info',
    get: (url) => app.inject({ url }),
    post: (url, body, headers = {}) =>
      app.inject({ method: 'POST', url, headers, ...(body === undefined ? {} : { payload: body }) }),
  };
  addOipRoutes(app, {
    catalog: world.registry,
    warm: (model, version) => world.registry.warm(model, version),
    version: '1.2.3',
    logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    telemetry: {
      forModel: () => assert.fail('no model is served here'),
      unroutedRequest: (protocol, code) => errors.push(`${protocol} ${code}`),
      modelLoaded: quiet,
      modelLoadFailed: quiet,
    },
    health: () => ({ state: 'ready' }),
    statistics: async () => ({
      counters: (model, version) => (model === 'm' && version === '2' ? counters : undefined),
    }),
    control: 'explicit',
    logLevel: () => served.level,
    setLogLevel: async (level) => {
      served.level = level;
    },
    limits: { maxJsonDepth: 20, maxBodyBytes: 300_000 },
    exchange: (_request, reply, target) => {
      exchanged.push(target);
      reply.hijack();
      reply.raw.end('taken over');
    },
    ...more,
  });
  return served;
}

export const two: Record<string, FakeFolder> = {
  m: { versions: { 1: {}, 2: {} }, config: { versionPolicy: 'all', labels: { stable: '1' }, maxDelayMs: 2 } },
};

export function failure({ statusCode, body, headers }: LightMyRequestResponse): [number, string] {
  assert.equal(headers['content-type'], 'application/json');
  return [statusCode, JSON.parse(body).error];
}
