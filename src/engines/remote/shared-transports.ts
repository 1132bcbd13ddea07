/**
 * Models on the same address share its connections: a gateway for a hundred models keeps one connection per upstream and not a
 * hundred. Owned by remote-engine.ts. The last model that closes closes the connections.
 */
import type { Tensor } from '../../core/tensor.ts';
import type { Clock } from '../../ports/clock.ts';
import { GrpcTransport } from './grpc-transport.ts';
import { RestTransport } from './rest-transport.ts';
import type { CallLimits, ConnectionCounts, InferJob, Transport, UpstreamMetadata } from './transport.ts';
import type { UpstreamTarget } from './upstream-settings.ts';

interface Shared {
  readonly transport: Transport;
  users: number;
}

export class SharedTransports {
  readonly #clock: Clock;
  readonly #shared = new Map<string, Shared>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `maxConnections`: where the target does not say, over REST. Equal targets and numbers share. */
  open(target: UpstreamTarget, maxConnections: number): Transport {
    const { address, minConnections, maxConnections: max = maxConnections } = target;
    const key = [address, minConnections, max].join(' ');
    let shared = this.#shared.get(key);
    if (shared === undefined) {
      shared = { transport: this.#create(target, max), users: 0 };
      this.#shared.set(key, shared);
    }
    shared.users++;
    return new SharedTransport(shared.transport, () => this.#leave(key));
  }

  #create(target: UpstreamTarget, maxConnections: number): Transport {
    return target.protocol === 'grpc'
      ? new GrpcTransport(target, this.#clock)
      : new RestTransport(target, this.#clock, maxConnections);
  }

  #leave(key: string): void {
    const shared = this.#shared.get(key)!;
    shared.users--;
    if (shared.users > 0) return;
    this.#shared.delete(key);
    shared.transport.close();
  }
}

class SharedTransport implements Transport {
  readonly #transport: Transport;
  #leave: (() => void) | undefined;

  constructor(transport: Transport, leave: () => void) {
    this.#transport = transport;
    this.#leave = leave;
  }

  infer(job: InferJob, limits: CallLimits): Promise<readonly Tensor[]> {
    return this.#transport.infer(job, limits);
  }

  serverReady(timeoutMs: number): Promise<boolean> {
    return this.#transport.serverReady(timeoutMs);
  }

  metadata(model: string, version: string, timeoutMs: number): Promise<UpstreamMetadata> {
    return this.#transport.metadata(model, version, timeoutMs);
  }

  connections(): ConnectionCounts {
    return this.#transport.connections();
  }

  reset(): void {
    this.#transport.reset();
  }

  close(): void {
    this.#leave?.();
    this.#leave = undefined;
  }
}
