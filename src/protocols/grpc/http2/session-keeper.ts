/**
 * What becomes of HTTP/2 sessions over time: greeting, keepalive, age, ping floods, slow clients, draining. One sweep over all of
 * them, because a timer per stream would cost every call something. Used by http2-transport.ts. Must never cut a stream that merely
 * waits for us.
 */
import http2, { type ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import type { Clock, Random, TimerHandle } from '../../../ports/clock.ts';
import type { GrpcConfig } from '../deps.ts';
import type { Http2CallStream } from './http2-stream.ts';
import { PingGuard } from './ping-guard.ts';

const { NGHTTP2_ENHANCE_YOUR_CALM } = http2.constants;

export type KeeperConfig = Pick<
  GrpcConfig,
  | 'headersTimeoutMs'
  | 'requestTimeoutMs'
  | 'grpcMaxConnectionAgeMs'
  | 'grpcMaxConnectionAgeGraceMs'
  | 'grpcKeepaliveTimeMs'
  | 'grpcKeepaliveTimeoutMs'
>;

interface SessionState {
  readonly session: ServerHttp2Session;
  readonly socket: Socket;
  readonly openedMs: number;
  /** When the session is retired; Infinity: never. */
  readonly oldMs: number;
  readonly calls: Set<Http2CallStream>;
  /** The client has sent its preface and settings. */
  greeted: boolean;
  /** When it was retired; 0: not yet. */
  retiredMs: number;
  /** Bytes sent on the connection at the last sweep: while they grow, the client takes its answers. */
  sentBytes: number;
  /** When the last sign of life came or a ping was sent. */
  seenMs: number;
  pinging: boolean;
}

export class SessionKeeper {
  readonly #config: KeeperConfig;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #everyMs: number;
  readonly #sessions = new Set<SessionState>();
  #draining = false;
  #timer: TimerHandle | undefined;

  constructor(config: KeeperConfig, clock: Clock, random: Random) {
    this.#config = config;
    this.#clock = clock;
    this.#random = random;
    const limits = Object.values(config).filter((limit) => limit > 0);
    this.#everyMs = Math.max(20, Math.min(1000, ...limits.map((limit) => limit / 4)));
  }

  /** Returns the set that the session's open calls must be in. */
  add(session: ServerHttp2Session, socket: Socket): Set<Http2CallStream> {
    const nowMs = this.#clock.now();
    const ageMs = this.#config.grpcMaxConnectionAgeMs;
    const state: SessionState = {
      session,
      socket,
      openedMs: nowMs,
      // Jitter, so that connections opened together do not come back together.
      oldMs: ageMs === 0 ? Number.POSITIVE_INFINITY : nowMs + ageMs * (0.9 + 0.2 * this.#random()),
      calls: new Set(),
      greeted: false,
      retiredMs: 0,
      sentBytes: 0,
      seenMs: nowMs,
      pinging: false,
    };
    this.#sessions.add(state);
    this.#listen(state);
    if (this.#draining) this.#retire(state, nowMs);
    this.#timer ??= this.#clock.after(this.#everyMs, this.#sweep);
    return state.calls;
  }

  /** No new streams; sessions end when their streams have, or after the grace time. */
  retireAll(): void {
    this.#draining = true;
    const nowMs = this.#clock.now();
    for (const state of this.#sessions) this.#retire(state, nowMs);
  }

  stop(): void {
    if (this.#timer !== undefined) this.#clock.clear(this.#timer);
    this.#timer = undefined;
  }

  #listen(state: SessionState): void {
    const { session, socket } = state;
    const guard = new PingGuard(this.#clock.now());
    session.once('remoteSettings', () => {
      state.greeted = true;
    });
    session.on('ping', () => {
      const nowMs = this.#clock.now();
      state.seenMs = nowMs;
      if (!guard.allows(nowMs)) session.destroy(undefined, NGHTTP2_ENHANCE_YOUR_CALM);
    });
    // A destroyed session waits for the client to close its side; the socket's own close comes in any case.
    socket.once('close', () => this.#sessions.delete(state));
  }

  /**
   * GOAWAY with the last stream taken: those finish, later ones are the client's to send elsewhere, which gRPC clients do unasked.
   * No notice goes before it: nghttp2 stops reading once it has sent any GOAWAY on an idle session, and would miss the answer.
   */
  #retire(state: SessionState, nowMs: number): void {
    if (state.retiredMs !== 0) return;
    state.retiredMs = nowMs;
    if (!state.session.destroyed) state.session.close();
  }

  readonly #sweep = (): void => {
    const nowMs = this.#clock.now();
    for (const state of this.#sessions) this.#check(state, nowMs);
    this.#timer = this.#sessions.size === 0 ? undefined : this.#clock.after(this.#everyMs, this.#sweep);
  };

  #check(state: SessionState, nowMs: number): void {
    const { session, socket } = state;
    const { headersTimeoutMs, grpcMaxConnectionAgeGraceMs } = this.#config;
    if (!state.greeted || session.destroyed) {
      if (nowMs - Math.max(state.openedMs, state.retiredMs) >= headersTimeoutMs) socket.destroy();
      return;
    }
    if (state.retiredMs !== 0 && nowMs - state.retiredMs >= grpcMaxConnectionAgeGraceMs) {
      socket.destroy();
      return;
    }
    if (nowMs >= state.oldMs) this.#retire(state, nowMs);
    this.#keepAlive(state, nowMs);
    this.#checkCalls(state, nowMs);
  }

  #keepAlive(state: SessionState, nowMs: number): void {
    const { grpcKeepaliveTimeMs, grpcKeepaliveTimeoutMs } = this.#config;
    if (state.pinging) {
      if (nowMs - state.seenMs >= grpcKeepaliveTimeoutMs) state.socket.destroy();
      return;
    }
    if (grpcKeepaliveTimeMs === 0 || nowMs - state.seenMs < grpcKeepaliveTimeMs || state.session.closed) return;
    state.seenMs = nowMs;
    state.pinging = state.session.ping(() => {
      state.pinging = false;
      state.seenMs = this.#clock.now();
    });
  }

  /** An answer that the client does not take keeps its memory only so long. */
  #checkCalls(state: SessionState, nowMs: number): void {
    const { requestTimeoutMs } = this.#config;
    if (requestTimeoutMs === 0) return;
    const { calls, socket } = state;
    const moved = socket.bytesWritten !== state.sentBytes;
    state.sentBytes = socket.bytesWritten;
    for (const call of calls) {
      if (!call.isUnread) call.unreadMs = -1;
      else if (call.unreadMs < 0 || moved) call.unreadMs = nowMs;
      else if (nowMs - call.unreadMs >= requestTimeoutMs) call.reset();
    }
  }
}
