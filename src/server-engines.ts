/**
 * Which engine runs which model: those with upstream addresses go to the remote engine, all others to the server's own. Part of the
 * composition root; made once by server.ts. The remote engine is loaded with the first model that needs it.
 */
import type { RemoteEngine, RemoteEngineOptions } from './engines/remote/remote-engine.ts';
import type { Engine, EngineSpec } from './ports/engine.ts';
import type { UpstreamPoolStatus } from './ports/pool-status.ts';

export interface SelectedEngine extends Engine {
  /** Of every remote model that is loaded. */
  poolStatus(): readonly UpstreamPoolStatus[];
}

export function selectEngine(local: Engine, options: RemoteEngineOptions): SelectedEngine {
  let remote: RemoteEngine | undefined;
  const engineOf = async ({ upstream }: EngineSpec): Promise<Engine> => {
    if (upstream === undefined) return local;
    const { createRemoteEngine } = await import('./engines/remote/remote-engine.ts');
    remote ??= createRemoteEngine(options);
    return remote;
  };
  return {
    probe: async (spec) => (await engineOf(spec)).probe(spec),
    load: async (spec, signature) => (await engineOf(spec)).load(spec, signature),
    poolStatus: () => remote?.poolStatus() ?? [],
    async close() {
      await Promise.all([local.close(), remote?.close()]);
    },
  };
}
