/**
 * The table of `upstream` in model.json: field, limits, help, as model-config.ts has them for the rest. It checks data only; whether
 * anything answers at an address is found out when the model is loaded.
 */
import { invalidInput } from '../core/errors.ts';
import type { ModelConfig } from '../ports/model-source.ts';
import type { BreakerConfig, EjectionConfig, RetryConfig, UpstreamConfig } from '../ports/upstream-config.ts';
import {
  boolean,
  type Fields,
  integer,
  invalid,
  type Kind,
  listOf,
  nested,
  number,
  oneOf,
  text,
  version,
} from './model-config-fields.ts';

const protocols = ['grpc:', 'grpcs:', 'http:', 'https:'];

const address: Kind<string> = {
  type: 'address such as grpc://host:8001 or http://host:8000',
  check: (value) => (typeof value === 'string' && isAddress(value) ? value : invalid),
};

/** Host and port only: a path, a query or a password would have no effect and so must not be there. */
function isAddress(written: string): boolean {
  // URL knows host and port of its own schemes only.
  const url = URL.parse(written.replace(/^grpc(s?):/, 'http$1:'));
  if (url === null || !protocols.includes(`${written.split(':', 1)[0]}:`)) return false;
  return url.hostname !== '' && url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '';
}

const connections: Fields<{ readonly min?: number; readonly max?: number }> = {
  min: { ...integer(0, 1024), fallback: '1 over gRPC, 0 over REST', help: 'Connections that stay open when idle.' },
  max: {
    ...integer(1, 1024),
    fallback: '4 over gRPC, maxInFlightPerAddress over REST',
    help: 'Most connections. A gRPC connection carries many calls, a REST connection one at a time.',
  },
};

const retry: Fields<RetryConfig> = {
  attempts: {
    ...integer(0, 5),
    fallback: '1',
    help: 'Further attempts of a call that an address did not process, on another address if there is one.',
  },
  afterConnectionLost: {
    ...boolean,
    fallback: 'true',
    help: 'Also repeat a call whose connection broke after it was sent. Inference may run twice then, which changes no answer.',
  },
};

const breaker: Fields<BreakerConfig> = {
  failures: { ...integer(1, 1000), fallback: '5', help: 'Failures in a row after which an address gets no calls.' },
  openMs: {
    ...number(1, 3_600_000),
    fallback: '2000',
    help: 'Time until one call may try the address again; it decides whether the others follow.',
  },
};

const ejection: Fields<EjectionConfig> = {
  failures: {
    ...integer(0, 1000),
    fallback: '3',
    help: 'Failures in a row after which an address is left out for a time; 0: never.',
  },
  baseMs: {
    ...number(1, 3_600_000),
    fallback: '2000',
    help: 'The first time; the n-th in a row is n times as long.',
  },
  maxMs: { ...number(1, 3_600_000), fallback: '60000', help: 'The longest time.' },
  maxPercent: {
    ...integer(0, 100),
    fallback: '50',
    help: 'Most of the addresses that may be left out at a time, so that a fault they share does not take the last one.',
  },
};

export const upstreamFields: Fields<UpstreamConfig> = {
  addresses: {
    ...listOf(address, 'list of addresses such as "grpc://host:8001" or "http://host:8000"', 1, 256),
    fallback: 'must be given',
    help: 'Servers that speak the Open Inference Protocol; grpcs:// and https:// for TLS.',
  },
  model: { ...text, fallback: 'the name of this model', help: 'Its name on the upstream servers.' },
  version: { ...version, fallback: 'the upstream’s choice', help: 'Its version on the upstream servers.' },
  balance: {
    ...oneOf(['round-robin', 'least-in-flight', 'weighted', 'random-of-two']),
    fallback: '"least-in-flight"',
    help: 'Which address gets the next call.',
  },
  weights: {
    ...listOf(integer(0, 1_000_000), 'list of integers from 0 to 1000000', 1, 256),
    fallback: '1 for each',
    help: 'Shares of the addresses for "weighted", in their order; 0 only when all others are away.',
  },
  timeoutMs: { ...number(1, 86_400_000), fallback: 'the model’s runTimeoutMs', help: 'Longest time of one call.' },
  healthIntervalMs: {
    ...number(0, 3_600_000),
    fallback: '5000',
    help: 'Time between two health checks of an address; 0: none.',
  },
  maxInFlightPerAddress: {
    ...integer(1, 4096),
    fallback: '4 with batching, 64 without',
    help: 'Calls at a time per address. While all are taken requests wait, and join batches if the model batches.',
  },
  connectionsPerAddress: { ...nested(connections), fallback: '{}', help: 'How many connections are kept.' },
  retry: { ...nested(retry), fallback: '{}', help: 'When a call is sent once more.' },
  breaker: { ...nested(breaker), fallback: '{}', help: 'When calls to an address are given up at once.' },
  ejection: { ...nested(ejection), fallback: '{}', help: 'When an address is left out because it fails.' },
};

/** What one field cannot check alone. @throws INVALID_INPUT. */
export function checkUpstream({ engine, upstream }: ModelConfig): void {
  if (engine === 'remote' && upstream === undefined) {
    throw invalidInput('upstream', 'model.json: "engine": "remote" needs "upstream" with its addresses.', 'object');
  }
  if (upstream === undefined) return;
  if (engine !== 'remote') {
    throw invalidInput('engine', 'model.json: "upstream" needs "engine": "remote".', '"remote"');
  }
  const { addresses, weights, connectionsPerAddress: { min = 0, max = 1024 } = {} } = upstream;
  if (addresses === undefined) {
    throw invalidInput('upstream.addresses', 'model.json: "upstream.addresses" must be given.', 'list of addresses');
  }
  if (weights !== undefined && weights.length !== addresses.length) {
    const expected = `${addresses.length} weights, one per address`;
    throw invalidInput('upstream.weights', `model.json: "upstream.weights" must be ${expected}.`, expected);
  }
  if (min > max) {
    const field = 'upstream.connectionsPerAddress.min';
    throw invalidInput(field, `model.json: "${field}" must not be above its max.`, `at most ${max}`);
  }
}
