/**
 * The Open Inference Protocol over HTTP/1.1 with binary tensors, as a client on kept-alive connections. Made by upstream-address.ts
 * for `http://` and `https://` addresses. Node's own agent keeps the connections; no redirect is followed.
 */
import {
  type Agent,
  type ClientRequest,
  Agent as HttpAgent,
  type IncomingMessage,
  request as requestHttp,
} from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import type { Tensor } from '../../core/tensor.ts';
import type { Clock } from '../../ports/clock.ts';
import { failureOfHttp } from './http-status.ts';
import { RestAnswer } from './rest-answer.ts';
import { encodeRestRequest, modelPath } from './rest-request.ts';
import { signatureOf, type WrittenSpec } from './signature.ts';
import type { CallLimits, ConnectionCounts, InferJob, Transport, UpstreamMetadata } from './transport.ts';
import {
  brokenAnswer,
  cancelled,
  connectionLost,
  timedOut,
  toUpstreamFailure,
  UpstreamFailure,
  unprocessed,
  unreachable,
} from './upstream-failure.ts';
import type { UpstreamTarget } from './upstream-settings.ts';

interface Sink {
  push(chunk: Buffer): void;
}

interface Exchange {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Record<string, string | number>;
  readonly chunks?: readonly Uint8Array[];
  /** Where the body of a 200 goes. */
  readonly sinkFor: (response: IncomingMessage) => Sink;
}

/** Errors of a connection that was there; all others are about making one: refused, unknown host, untrusted certificate. */
const lostCodes = new Set(['', 'ECONNRESET', 'EPIPE', 'ECONNABORTED']);
/** Of an error's body. */
const maxErrorBytes = 64 * 1024;

export class RestTransport implements Transport {
  readonly #target: UpstreamTarget;
  readonly #clock: Clock;
  readonly #maxSockets: number;
  #agent: Agent;

  constructor(target: UpstreamTarget, clock: Clock, maxConnections: number) {
    this.#target = target;
    this.#clock = clock;
    this.#maxSockets = target.maxConnections ?? maxConnections;
    this.#agent = this.#newAgent();
  }

  async infer(job: InferJob, limits: CallLimits): Promise<readonly Tensor[]> {
    const { path, chunks, headBytes, totalBytes } = encodeRestRequest(
      job,
      limits.announced === true ? limits.timeoutMs : undefined,
    );
    let answer: RestAnswer | undefined;
    const headers = {
      'content-type': 'application/octet-stream',
      'content-length': totalBytes,
      'inference-header-content-length': headBytes,
    };
    const sinkFor = (response: IncomingMessage): Sink => {
      answer = new RestAnswer(headerOf(response, 'inference-header-content-length'));
      return answer;
    };
    await this.#exchange({ method: 'POST', path, headers, chunks, sinkFor }, limits);
    return answer!.finish(job);
  }

  async serverReady(timeoutMs: number): Promise<boolean> {
    try {
      await this.#exchange({ method: 'GET', path: '/v2/health/ready', sinkFor: () => ({ push() {} }) }, { timeoutMs });
      return true;
    } catch (error) {
      // It answered, with something else than 200.
      if (error instanceof UpstreamFailure && ['unavailable', 'overloaded', 'broken', 'refused'].includes(error.kind)) {
        return false;
      }
      throw error;
    }
  }

  async metadata(model: string, version: string, timeoutMs: number): Promise<UpstreamMetadata> {
    const path = modelPath(model, version);
    const { inputs, outputs } = (await this.#getJson(path, timeoutMs)) as Record<string, readonly WrittenSpec[]>;
    if (!Array.isArray(inputs) || !Array.isArray(outputs))
      throw brokenAnswer('the metadata names no inputs or outputs');
    return { signature: signatureOf(inputs, outputs), maxBatchSize: await this.#maxBatchSize(path, timeoutMs) };
  }

  connections(): ConnectionCounts {
    const count = (lists: NodeJS.ReadOnlyDict<readonly unknown[]>): number =>
      Object.values(lists).reduce((sum, list) => sum + (list?.length ?? 0), 0);
    const inUse = count(this.#agent.sockets);
    const idle = count(this.#agent.freeSockets);
    return { size: inUse + idle, inUse, idle, waiting: count(this.#agent.requests) };
  }

  reset(): void {
    this.#agent.destroy();
    this.#agent = this.#newAgent();
  }

  close(): void {
    this.#agent.destroy();
  }

  #newAgent(): Agent {
    const options = {
      keepAlive: true,
      maxSockets: this.#maxSockets,
      maxFreeSockets: this.#maxSockets,
      noDelay: true,
      // The last one used is the least likely to be closed by the other side in this moment.
      scheduling: 'lifo',
    } as const;
    return this.#target.secure ? new HttpsAgent(options) : new HttpAgent(options);
  }

  /** The `config` page is Triton's and not part of the protocol: a server may do without. */
  async #maxBatchSize(path: string, timeoutMs: number): Promise<number | undefined> {
    try {
      const { max_batch_size: size } = (await this.#getJson(`${path}/config`, timeoutMs)) as {
        max_batch_size?: unknown;
      };
      return typeof size === 'number' ? size : undefined;
    } catch (error) {
      const kind = error instanceof UpstreamFailure ? error.kind : undefined;
      if (kind === 'unavailable' || kind === 'refused' || kind === 'broken') return undefined;
      throw error;
    }
  }

  async #getJson(path: string, timeoutMs: number): Promise<object> {
    const chunks: Buffer[] = [];
    await this.#exchange({ method: 'GET', path, sinkFor: () => chunks }, { timeoutMs });
    try {
      const parsed: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
      if (typeof parsed === 'object' && parsed !== null) return parsed;
    } catch {
      // Told below.
    }
    throw brokenAnswer('it is no JSON object');
  }

  /** Resolves when a 200 is complete. @throws UpstreamFailure. */
  #exchange(exchange: Exchange, limits: CallLimits): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const request = this.#open(exchange);
    let response: IncomingMessage | undefined;
    let settled = false;
    const settle = (failure?: UpstreamFailure): void => {
      if (settled) return;
      settled = true;
      this.#clock.clear(timer);
      if (limits.cancel !== undefined) limits.cancel.onCancel = undefined;
      if (failure === undefined) resolve();
      else reject(failure);
    };
    const giveUp = (failure: UpstreamFailure): void => {
      settle(failure);
      request.destroy();
    };
    const timer = this.#clock.after(limits.timeoutMs, () => giveUp(timedOut()));
    if (limits.cancel !== undefined) limits.cancel.onCancel = () => giveUp(cancelled());
    request.on('error', (error) => settle(classify(request, response, error)));
    request.on('close', () => settle(classify(request, response, undefined)));
    request.on('response', (incoming) => {
      response = incoming;
      receive(incoming, exchange.sinkFor, settle, giveUp);
    });
    for (const chunk of exchange.chunks ?? []) request.write(chunk);
    request.end();
    return promise;
  }

  #open({ method, path, headers }: Exchange): ClientRequest {
    const { hostname, port, secure } = this.#target;
    const options = { agent: this.#agent, hostname, port, method, path, ...(headers === undefined ? {} : { headers }) };
    return secure ? requestHttps(options) : requestHttp(options);
  }
}

function receive(
  response: IncomingMessage,
  sinkFor: Exchange['sinkFor'],
  settle: (failure?: UpstreamFailure) => void,
  giveUp: (failure: UpstreamFailure) => void,
): void {
  const status = response.statusCode ?? 0;
  const errorBody: Buffer[] = [];
  const sink: Sink = status === 200 ? sinkFor(response) : errorSink(errorBody);
  response.on('data', (chunk: Buffer) => {
    try {
      sink.push(chunk);
    } catch (error) {
      giveUp(toUpstreamFailure(error));
    }
  });
  response.on('end', () => {
    if (status === 200) settle();
    else settle(failureOfHttp(status, Buffer.concat(errorBody), headerOf(response, 'retry-after')));
  });
  response.on('error', (error) => settle(connectionLost(error)));
}

/** Keeps the beginning: enough for the sentence in it. */
function errorSink(body: Buffer[]): Sink {
  let left = maxErrorBytes;
  return {
    push(chunk) {
      if (left > 0) body.push(chunk);
      left -= chunk.length;
    },
  };
}

/** Why no answer came. */
function classify(request: ClientRequest, response: IncomingMessage | undefined, error: unknown): UpstreamFailure {
  const code = (error as { code?: string } | undefined)?.code ?? '';
  if (response !== undefined) return connectionLost(error);
  if (code.startsWith('HPE_')) return brokenAnswer('it is no HTTP');
  if (!lostCodes.has(code) || request.socket?.connecting === true) return unreachable(error);
  // The other side closed an idle connection in the moment we took it.
  return request.reusedSocket ? unprocessed() : connectionLost(error);
}

function headerOf(response: IncomingMessage, name: string): string | undefined {
  const value = response.headers[name];
  return typeof value === 'string' ? value : undefined;
}
