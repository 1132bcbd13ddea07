/** The `upstream` of model.json with every default filled in. The only place where the defaults are; called once per load. */
import { HotpathError } from '../../core/errors.ts';
import type { EngineSpec } from '../../ports/engine.ts';
import type { BalanceKind, BreakerConfig, EjectionConfig, RetryConfig } from '../../ports/upstream-config.ts';

export interface UpstreamSettings {
  readonly addresses: readonly UpstreamTarget[];
  /** What the model is called on the upstream. */
  readonly model: string;
  /** '' leaves the choice to the upstream. */
  readonly version: string;
  readonly balance: BalanceKind;
  readonly timeoutMs: number;
  /** 0: none. */
  readonly healthIntervalMs: number;
  /** Undefined: by whether the model batches. */
  readonly maxInFlightPerAddress: number | undefined;
  readonly retry: Required<RetryConfig>;
  readonly breaker: Required<BreakerConfig>;
  readonly ejection: Required<EjectionConfig>;
}

export interface UpstreamTarget {
  /** As written in model.json; what messages and the pool's status call it. */
  readonly address: string;
  readonly protocol: 'grpc' | 'rest';
  readonly secure: boolean;
  /** Without brackets. */
  readonly hostname: string;
  readonly port: number;
  readonly weight: number;
  readonly minConnections: number;
  readonly maxConnections: number | undefined;
}

const defaultPorts = { 'grpc:': 8001, 'grpcs:': 443, 'http:': 8000, 'https:': 443 } as const;

/** @throws MODEL_FAILED when the spec has no upstream. */
export function upstreamSettings(spec: EngineSpec): UpstreamSettings {
  const { upstream } = spec;
  if (upstream === undefined) throw new HotpathError('MODEL_FAILED', 'The model has no upstream addresses.');
  const { retry, breaker, ejection } = upstream;
  return {
    addresses: upstream.addresses.map((address, index) =>
      target(address, upstream.weights?.[index] ?? 1, upstream.connectionsPerAddress ?? {}),
    ),
    model: upstream.model ?? spec.name,
    version: upstream.version ?? '',
    balance: upstream.balance ?? 'least-in-flight',
    timeoutMs: upstream.timeoutMs ?? spec.runTimeoutMs,
    healthIntervalMs: upstream.healthIntervalMs ?? 5000,
    maxInFlightPerAddress: upstream.maxInFlightPerAddress,
    retry: { attempts: retry?.attempts ?? 1, afterConnectionLost: retry?.afterConnectionLost ?? true },
    breaker: { failures: breaker?.failures ?? 5, openMs: breaker?.openMs ?? 2000 },
    ejection: {
      failures: ejection?.failures ?? 3,
      baseMs: ejection?.baseMs ?? 2000,
      maxMs: ejection?.maxMs ?? 60_000,
      maxPercent: ejection?.maxPercent ?? 50,
    },
  };
}

function target(address: string, weight: number, connections: { min?: number; max?: number }): UpstreamTarget {
  const scheme = address.slice(0, address.indexOf(':') + 1) as keyof typeof defaultPorts;
  const secure = scheme === 'grpcs:' || scheme === 'https:';
  const protocol = scheme.startsWith('grpc') ? 'grpc' : 'rest';
  const { hostname, port } = new URL(address.replace(scheme, 'http:'));
  return {
    address,
    protocol,
    secure,
    hostname: hostname.replace(/^\[|\]$/g, ''),
    // URL drops the port 80 as http's own.
    port: port !== '' ? Number(port) : /:80\/?$/.test(address) ? 80 : defaultPorts[scheme],
    weight,
    minConnections: connections.min ?? (protocol === 'grpc' ? 1 : 0),
    maxConnections: connections.max ?? (protocol === 'grpc' ? 4 : undefined),
  };
}
