/**
 * Which engine runs which model: those with upstream addresses go to the remote engine, all others to the server's own. Part of the
 * composition root; made once by server.ts.
 */
import type { RemoteEngine } from './engines/remote/remote-engine.ts';
import type { Engine, EngineSpec } from './ports/engine.ts';

export function selectEngine(local: Engine, remote: RemoteEngine): Engine {
  const engineOf = (spec: EngineSpec): Engine => (spec.upstream === undefined ? local : remote);
  return {
    probe: (spec) => engineOf(spec).probe(spec),
    load: (spec, signature) => engineOf(spec).load(spec, signature),
    async close() {
      await Promise.all([local.close(), remote.close()]);
    },
  };
}
