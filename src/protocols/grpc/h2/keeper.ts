/**
 * What becomes of connections over time: greeting, keepalive, age, slow clients, draining. One sweep over all of them, because a
 * timer per stream would cost every call something. Used by h2-transport.ts. Must never cut a stream that merely waits for us.
 */
import type { Clock, Random, TimerHandle } from '../../../ports/clock.ts';
import type { GrpcConfig } from '../deps.ts';
import type { H2Connection } from './connection.ts';
import { errorCode } from './protocol.ts';

export type KeeperConfig = Pick<
  GrpcConfig,
  | 'headersTimeoutMs'
  | 'requestTimeoutMs'
  | 'grpcMaxConnectionAgeMs'
  | 'grpcMaxConnectionAgeGraceMs'
  | 'grpcKeepaliveTimeMs'
  | 'grpcKeepaliveTimeoutMs'
>;

/** Time that a client has to close its side after our last word, and to confirm that it has read the first. */
const farewellMs = 1000;

interface Watched {
  readonly connection: H2Connection;
  readonly openedMs: number;
  /** When it is retired; Infinity: never. */
  readonly oldMs: number;
  /** When it was told to go; 0: not yet. */
  retiredMs: number;
  /** When it was seen to have ended, or to take its last answers after that; 0: not yet. */
  endedMs: number;
  /** Bytes read at the last sweep; more since then are a sign of life. */
  readBytes: number;
  /** When the last sign of life was seen or a ping was sent. */
  seenMs: number;
  isPinging: boolean;
  /** Bytes the client has taken by the last sweep: while they grow, it takes its answers. */
  sentBytes: number;
  /** Since when it has taken none of those that wait in the socket. */
  stuckMs: number;
  /** Some waited at the last sweep. */
  wasSending: boolean;
}

export class Keeper {
  readonly #config: KeeperConfig;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #everyMs: number;
  readonly #watched = new Map<H2Connection, Watched>();
  #isDraining = false;
  #timer: TimerHandle | undefined;

  constructor(config: KeeperConfig, clock: Clock, random: Random) {
    this.#config = config;
    this.#clock = clock;
    this.#random = random;
    const { headersTimeoutMs, requestTimeoutMs, grpcKeepaliveTimeMs, grpcKeepaliveTimeoutMs } = config;
    const { grpcMaxConnectionAgeMs, grpcMaxConnectionAgeGraceMs } = config;
    const limits = [headersTimeoutMs, requestTimeoutMs, grpcKeepaliveTimeMs, grpcKeepaliveTimeoutMs];
    limits.push(grpcMaxConnectionAgeMs, grpcMaxConnectionAgeGraceMs);
    this.#everyMs = Math.max(20, Math.min(1000, ...limits.filter((limit) => limit > 0).map((limit) => limit / 4)));
  }

  add(connection: H2Connection): void {
    const nowMs = this.#clock.now();
    const ageMs = this.#config.grpcMaxConnectionAgeMs;
    this.#watched.set(connection, {
      connection,
      openedMs: nowMs,
      // Jitter, so that connections opened together do not come back together.
      oldMs: ageMs === 0 ? Number.POSITIVE_INFINITY : nowMs + ageMs * (0.9 + 0.2 * this.#random()),
      retiredMs: this.#isDraining ? nowMs : 0,
      endedMs: 0,
      readBytes: 0,
      seenMs: nowMs,
      isPinging: false,
      sentBytes: 0,
      stuckMs: nowMs,
      wasSending: false,
    });
    if (this.#isDraining) connection.close();
    this.#timer ??= this.#clock.after(this.#everyMs, this.#sweep);
  }

  delete(connection: H2Connection): void {
    this.#watched.delete(connection);
  }

  /** No new streams; connections end when their streams have, or after the grace time. */
  retireAll(): void {
    this.#isDraining = true;
    const nowMs = this.#clock.now();
    for (const watched of this.#watched.values()) {
      watched.retiredMs ||= nowMs;
      watched.connection.close();
    }
  }

  destroyAll(): void {
    for (const connection of this.#watched.keys()) connection.destroy();
  }

  stop(): void {
    if (this.#timer !== undefined) this.#clock.clear(this.#timer);
    this.#timer = undefined;
  }

  readonly #sweep = (): void => {
    const nowMs = this.#clock.now();
    for (const watched of this.#watched.values()) this.#check(watched, nowMs);
    this.#timer = this.#watched.size === 0 ? undefined : this.#clock.after(this.#everyMs, this.#sweep);
  };

  #check(watched: Watched, nowMs: number): void {
    const { connection } = watched;
    const hasMoved = noteSent(watched, nowMs);
    if (this.#isOverdue(watched, hasMoved, nowMs)) {
      connection.destroy();
      return;
    }
    if (connection.isEnded || !connection.isGreeted) return;
    if (nowMs >= watched.oldMs) this.#retire(watched, nowMs);
    this.#keepAlive(watched, nowMs);
    this.#checkClient(watched, hasMoved, nowMs);
  }

  #isOverdue(watched: Watched, hasMoved: boolean, nowMs: number): boolean {
    const { connection, openedMs, retiredMs } = watched;
    const { headersTimeoutMs, grpcMaxConnectionAgeGraceMs } = this.#config;
    if (connection.isEnded) {
      // The last answers are with the client only when the socket is empty.
      if (watched.endedMs === 0 || hasMoved) watched.endedMs = nowMs;
      const limitMs = connection.socket.writableLength > 0 ? grpcMaxConnectionAgeGraceMs : farewellMs;
      return nowMs - watched.endedMs >= limitMs;
    }
    if (!connection.isGreeted) return nowMs - openedMs >= headersTimeoutMs;
    return retiredMs !== 0 && nowMs - retiredMs >= grpcMaxConnectionAgeGraceMs;
  }

  /** Two steps, so that no request on its way is refused: see `warn`. */
  #retire(watched: Watched, nowMs: number): void {
    watched.retiredMs ||= nowMs;
    watched.connection.warn();
    if (nowMs - watched.retiredMs >= farewellMs) watched.connection.close();
  }

  #keepAlive(watched: Watched, nowMs: number): void {
    const { grpcKeepaliveTimeMs, grpcKeepaliveTimeoutMs } = this.#config;
    const { connection } = watched;
    const { bytesRead } = connection.socket;
    if (bytesRead !== watched.readBytes) {
      watched.readBytes = bytesRead;
      watched.seenMs = nowMs;
      watched.isPinging = false;
    } else if (watched.isPinging) {
      if (nowMs - watched.seenMs >= grpcKeepaliveTimeoutMs) connection.destroy();
    } else if (grpcKeepaliveTimeMs > 0 && nowMs - watched.seenMs >= grpcKeepaliveTimeMs) {
      watched.seenMs = nowMs;
      watched.isPinging = true;
      connection.ping();
    }
  }

  /** An answer that the client does not take keeps its memory only so long. */
  #checkClient(watched: Watched, hasMoved: boolean, nowMs: number): void {
    const { requestTimeoutMs } = this.#config;
    if (requestTimeoutMs === 0) return;
    const { connection } = watched;
    if (connection.socket.writableLength > 0 && nowMs - watched.stuckMs >= requestTimeoutMs) {
      connection.destroy();
      return;
    }
    for (const stream of connection.streams.values()) {
      if (!stream.isLate) stream.lateMs = -1;
      else if (stream.lateMs < 0 || (hasMoved && !stream.isAnswered && stream.hasWindow)) stream.lateMs = nowMs;
      else if (nowMs - stream.lateMs >= requestTimeoutMs) {
        connection.reset(stream, stream.isAnswered ? errorCode.noError : errorCode.cancel);
      }
    }
  }
}

/** Whether the client has taken something since the last sweep. */
function noteSent(watched: Watched, nowMs: number): boolean {
  const { bytesWritten, writableLength } = watched.connection.socket;
  const sentBytes = bytesWritten - writableLength;
  const hasMoved = sentBytes !== watched.sentBytes;
  watched.sentBytes = sentBytes;
  if (hasMoved || !watched.wasSending) watched.stuckMs = nowMs;
  watched.wasSending = writableLength > 0;
  return hasMoved;
}
