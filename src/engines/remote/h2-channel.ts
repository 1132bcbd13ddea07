/**
 * One HTTP/2 connection to one address, carrying many calls. Sends a gRPC request as chunks, hands the answer's bytes on as they
 * come, and says why a call failed in terms of what the upstream may have processed. Made by channel-pool.ts; never retries.
 */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Clock } from '../../ports/clock.ts';
import { failureOfStatus } from './grpc-status.ts';
import { StreamCall } from './stream-call.ts';
import type { CallLimits } from './transport.ts';
import { brokenAnswer, connectionLost, type UpstreamFailure, unprocessed, unreachable } from './upstream-failure.ts';
import type { UpstreamTarget } from './upstream-settings.ts';

const { NGHTTP2_REFUSED_STREAM, NGHTTP2_ENHANCE_YOUR_CALM } = constants;

/** The default of 64 KiB lets a 600 KB tensor take 15 round trips. */
const streamWindowBytes = 16 * 2 ** 20;
const connectionWindowBytes = 64 * 2 ** 20;
/** Node ends a session that holds more than 10 MB by default: less than one batch of images. */
const sessionMemoryMb = 4096;
/** More calls than this on one connection wait for each other's bytes. */
const maxStreams = 100;
/** An address that swallows packets must not take a call's whole time. */
const connectTimeoutMs = 3000;

export interface ChannelEvents {
  /** A call ended. */
  onFree(channel: H2Channel): void;
  /** It takes no more calls; those it has may still end well. */
  onGone(channel: H2Channel): void;
}

export class H2Channel {
  readonly #session: ClientHttp2Session;
  readonly #clock: Clock;
  readonly #events: ChannelEvents;
  /** The other side speaks HTTP/2. */
  #connected = false;
  /** Calls wait until the upstream has said how many streams it takes: what goes before that may be refused. */
  #held: (() => void)[] | undefined = [];
  #gone = false;
  /** Highest stream that a GOAWAY says was processed. */
  #lastStreamId = Number.POSITIVE_INFINITY;
  #cause: unknown;
  calls = 0;
  idleSinceMs: number;

  constructor(target: UpstreamTarget, clock: Clock, events: ChannelEvents) {
    this.#clock = clock;
    this.#events = events;
    this.idleSinceMs = clock.now();
    const { secure, hostname: host, port } = target;
    const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    const session = connect(`${secure ? 'https' : 'http'}://${authority}`, {
      settings: { enablePush: false, initialWindowSize: streamWindowBytes },
      maxSessionMemory: sessionMemoryMb,
      createConnection: () => openSocket(target),
    });
    this.#session = session;
    const timer = clock.after(connectTimeoutMs, () => session.destroy(new TimeoutError()));
    session.once('connect', () => {
      if (!session.destroyed) session.setLocalWindowSize(connectionWindowBytes);
    });
    session.once('remoteSettings', () => {
      clock.clear(timer);
      this.#connected = true;
      this.#release();
    });
    session.on('error', (error) => {
      this.#cause ??= error;
    });
    session.on('goaway', (_code, lastStreamId) => {
      this.#lastStreamId = lastStreamId;
      this.#leave();
    });
    session.once('close', () => {
      clock.clear(timer);
      this.#leave();
      this.#release();
    });
  }

  get usable(): boolean {
    return !this.#gone;
  }

  /** Another call would wait for one of those that run. */
  get saturated(): boolean {
    return this.calls >= this.limit;
  }

  get limit(): number {
    return Math.min(maxStreams, this.#session.remoteSettings?.maxConcurrentStreams ?? maxStreams);
  }

  /**
   * One unary call; resolves when the upstream says OK, after the last byte went to `sink`.
   * @throws UpstreamFailure.
   */
  call(path: string, chunks: readonly Uint8Array[], limits: CallLimits, sink: (chunk: Buffer) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.calls++;
      const call = new StreamCall(this.#clock, limits, sink, (failure) => {
        this.calls--;
        this.idleSinceMs = this.#clock.now();
        if (failure === undefined) resolve();
        else reject(failure);
        this.#events.onFree(this);
      });
      const start = (): void => this.#start(call, path, chunks, limits);
      if (this.#held === undefined) start();
      else this.#held.push(start);
    });
  }

  /** Takes no more calls and ends when the last one has. */
  close(): void {
    this.#session.close();
    this.#leave();
  }

  /** Ends now. */
  destroy(): void {
    this.#session.destroy();
    this.#leave();
  }

  /** Lets the calls go that came before the connection was ready. */
  #release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const start of held) start();
  }

  #start(call: StreamCall, path: string, chunks: readonly Uint8Array[], limits: CallLimits): void {
    if (call.settled) return;
    let stream: ClientHttp2Stream;
    try {
      stream = this.#session.request(headersFor(path, limits), { endStream: false });
    } catch {
      // The session ended before it took the call.
      call.fail(this.#connected ? unprocessed() : unreachable(this.#cause));
      return;
    }
    call.run(stream, chunks, (trailers, error) => {
      this.#cause ??= error;
      return this.#classify(stream, trailers);
    });
  }

  /** Why a stream ended; undefined: well. */
  #classify(stream: ClientHttp2Stream, trailers: IncomingHttpHeaders | undefined): UpstreamFailure | undefined {
    const status = trailers?.['grpc-status'];
    if (status !== undefined) return failureOfTrailers(trailers!, String(status));
    if (!this.#connected) return unreachable(this.#cause);
    const { rstCode, id } = stream;
    if (rstCode === NGHTTP2_REFUSED_STREAM || rstCode === NGHTTP2_ENHANCE_YOUR_CALM) return unprocessed();
    if (id === undefined || id > this.#lastStreamId) return unprocessed();
    const http = trailers?.[':status'];
    if (http !== undefined && http !== '200') return failureOfProxy(Number(http));
    return connectionLost(this.#cause);
  }

  #leave(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#events.onGone(this);
  }
}

function openSocket({ secure, hostname: host, port }: UpstreamTarget): Socket {
  if (!secure) return connectTcp({ host, port, noDelay: true });
  const name = isIP(host) === 0 ? { servername: host } : {};
  return connectTls({ host, port, ALPNProtocols: ['h2'], ...name }).setNoDelay(true);
}

class TimeoutError extends Error {
  readonly code = 'ETIMEDOUT';
}

function headersFor(path: string, { timeoutMs, announced }: CallLimits): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
  };
  if (announced === true) headers['grpc-timeout'] = grpcTimeout(timeoutMs);
  return headers;
}

/** At most eight digits: microseconds up to 99 s, milliseconds beyond. */
export function grpcTimeout(timeoutMs: number): string {
  const micros = Math.max(1, Math.floor(timeoutMs * 1000));
  return micros < 1e8 ? `${micros}u` : `${Math.min(99_999_999, Math.floor(timeoutMs))}m`;
}

function failureOfTrailers(trailers: IncomingHttpHeaders, status: string): UpstreamFailure | undefined {
  if (status === '0') return undefined;
  const message = trailers['grpc-message'];
  const pushback = trailers['grpc-retry-pushback-ms'];
  return failureOfStatus({
    status: Number(status),
    message: typeof message === 'string' ? message : undefined,
    pushbackMs: typeof pushback === 'string' && /^\d{1,9}$/.test(pushback) ? Number(pushback) : undefined,
  });
}

/** What stands before the upstream answered without gRPC: the table of grpc's http-grpc-status-mapping. */
function failureOfProxy(status: number): UpstreamFailure {
  if (status === 429 || (status >= 502 && status <= 504))
    return failureOfStatus({ status: 14, message: `HTTP ${status}` });
  return brokenAnswer(`it has the HTTP status ${status}`);
}
