/** The remote engine against real servers, without anything of the gateway around it. Used by the tests of upstream models. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { systemClock } from '../../../src/adapters/system-clock.ts';
import type { Tensor } from '../../../src/core/tensor.ts';
import { CancelToken } from '../../../src/core/types.ts';
import { createRemoteEngine } from '../../../src/engines/remote/remote-engine.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import type { EngineModel, EngineSpec, ProbeReport, RunLimits } from '../../../src/ports/engine.ts';
import type { UpstreamAddressStatus } from '../../../src/ports/pool-status.ts';
import type { UpstreamConfig } from '../../../src/ports/upstream-config.ts';

export interface Remote extends AsyncDisposable {
  readonly engine: ReturnType<typeof createRemoteEngine>;
  readonly logs: string[];
  probe(): Promise<ProbeReport>;
  load(): Promise<EngineModel>;
  /** Of the only pool. */
  addresses(): readonly UpstreamAddressStatus[];
}

export function remoteSpec(upstream: UpstreamConfig, more: Partial<EngineSpec> = {}): EngineSpec {
  return {
    name: 'demo',
    version: '1',
    path: '',
    digest: '',
    executionProviders: ['cpu'],
    fallbackToCpu: false,
    instances: 1,
    intraOpThreads: 1,
    runTimeoutMs: 5000,
    upstream,
    ...more,
  };
}

/** Without health checks unless asked for. */
export function remote(upstream: UpstreamConfig, more: Partial<EngineSpec> & { readonly clock?: Clock } = {}): Remote {
  const logs: string[] = [];
  const log = (_fields: object, message: string) => void logs.push(message);
  const logger = { debug: log, info: log, warn: log, error: log };
  const { clock = systemClock, ...rest } = more;
  const engine = createRemoteEngine({ clock, random: () => 0.5, logger });
  const spec = remoteSpec({ healthIntervalMs: 0, ...upstream }, rest);
  return {
    engine,
    logs,
    probe: () => engine.probe(spec),
    load: async () => engine.load(spec, (await engine.probe(spec)).signature),
    addresses: () => engine.poolStatus()[0]!.addresses,
    [Symbol.asyncDispose]: () => engine.close(),
  };
}

export function matrix(...rows: number[][]): Tensor {
  return { datatype: 'float32', shape: [rows.length, rows[0]!.length], data: Float32Array.from(rows.flat()) };
}

/** For runs that somebody waits for until `ms` from now. */
export function limits(ms: number): RunLimits {
  return { deadlineMs: systemClock.now() + ms, cancel: new CancelToken() };
}

export interface BadServer extends AsyncDisposable {
  readonly port: number;
  /** Connections made to it. */
  connections: number;
}

/** Takes connections and, once bytes came, does as told with them: resets them, or keeps silent. */
export async function badServer(behaviour: 'reset' | 'silent'): Promise<BadServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    bad.connections++;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', () => {
      if (behaviour === 'reset') socket.resetAndDestroy();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bad: BadServer = {
    port: (server.address() as AddressInfo).port,
    connections: 0,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
  return bad;
}
