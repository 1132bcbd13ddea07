/**
 * The time limits that node gives HTTP/1.1 and not HTTP/2: for a connection that never speaks, an idle session, a slow body and
 * an unread answer. Used by http-server.ts, once per server. One sweep over all sessions, because a timer per stream would cost
 * every request something. Must never cut a stream that merely waits for us.
 */
import http2, { type Http2Session, type ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { Clock, TimerHandle } from '../../ports/clock.ts';
import type { NodeServer } from './http-server.ts';

export interface Http2Times {
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
}

interface StreamState {
  readonly openedMs: number;
  /** Its body came too slowly and it was told so; at the next sweep it is reset. */
  refused: boolean;
  /** The time for reading the answer runs. */
  answerTimed: boolean;
}

interface SessionState {
  readonly socket: Duplex;
  /** The client has sent its preface and settings. */
  greeted: boolean;
  /** When the session was opened or lost its last stream. */
  idleMs: number;
  /** GOAWAY was sent; at the next sweep the connection is cut. */
  leaving: boolean;
  readonly streams: Map<ServerHttp2Stream, StreamState>;
}

/** Starts to watch every session of `server`. A limit of 0 is no limit. */
export function limitHttp2(server: NodeServer, isSecure: boolean, times: Http2Times, clock: Clock): void {
  const watch = new SessionWatch(times, clock);
  // A session does not give its socket away; node makes it in the same turn, in a later listener of this event.
  let socket!: Duplex;
  server.prependListener(isSecure ? 'secureConnection' : 'connection', (connected: Duplex) => {
    socket = connected;
  });
  server.on('session', (session: Http2Session) => watch.add(session, socket));
}

class SessionWatch {
  readonly #times: Http2Times;
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #sessions = new Map<Http2Session, SessionState>();
  #timer: TimerHandle | undefined;

  constructor(times: Http2Times, clock: Clock) {
    this.#times = times;
    this.#clock = clock;
    const { headersTimeoutMs, requestTimeoutMs, keepAliveTimeoutMs } = times;
    const limits = [headersTimeoutMs, requestTimeoutMs, keepAliveTimeoutMs].filter((limit) => limit > 0);
    this.#everyMs = Math.max(50, Math.min(1000, ...limits.map((limit) => limit / 2)));
  }

  add(session: Http2Session, socket: Duplex): void {
    const idleMs = this.#clock.now();
    const state: SessionState = { socket, greeted: false, idleMs, leaving: false, streams: new Map() };
    this.#sessions.set(session, state);
    session.once('remoteSettings', () => {
      state.greeted = true;
    });
    session.once('close', () => this.#sessions.delete(session));
    session.on('stream', (stream: ServerHttp2Stream) => this.#addStream(state, stream));
    this.#timer ??= this.#clock.after(this.#everyMs, this.#sweep);
  }

  #addStream(state: SessionState, stream: ServerHttp2Stream): void {
    state.streams.set(stream, { openedMs: this.#clock.now(), refused: false, answerTimed: false });
    stream.once('close', () => {
      state.streams.delete(stream);
      if (state.streams.size === 0) state.idleMs = this.#clock.now();
    });
  }

  readonly #sweep = (): void => {
    const nowMs = this.#clock.now();
    for (const [session, state] of this.#sessions) {
      if (state.streams.size === 0) this.#checkIdle(session, state, nowMs);
      else for (const [stream, about] of state.streams) this.#checkStream(stream, about, nowMs);
    }
    this.#timer = this.#sessions.size === 0 ? undefined : this.#clock.after(this.#everyMs, this.#sweep);
  };

  #checkIdle(session: Http2Session, state: SessionState, nowMs: number): void {
    const { headersTimeoutMs, keepAliveTimeoutMs } = this.#times;
    const limitMs = state.greeted && !session.destroyed ? keepAliveTimeoutMs : headersTimeoutMs;
    if (!isOver(state.idleMs, limitMs, nowMs)) return;
    // The socket, as a session that is closed or destroyed waits for the client to close its side.
    if (state.leaving || !state.greeted || session.destroyed) state.socket.destroy();
    else session.goaway();
    state.leaving = true;
  }

  #checkStream(stream: ServerHttp2Stream, about: StreamState, nowMs: number): void {
    const { requestTimeoutMs } = this.#times;
    if (about.refused) stream.close(http2.constants.NGHTTP2_CANCEL);
    // Asking nghttp2 for the state is not free: only for streams that are late.
    else if (isOver(about.openedMs, requestTimeoutMs, nowMs) && stream.state.remoteClose === 0) {
      about.refused = true;
      refuseBody(stream);
    } else if (requestTimeoutMs > 0 && !about.answerTimed && isUnread(stream)) {
      about.answerTimed = true;
      // Node starts this time anew once, when it finds that the client has taken something.
      stream.setTimeout(requestTimeoutMs / 2, () => {
        if (isUnread(stream)) stream.close(http2.constants.NGHTTP2_CANCEL);
      });
    }
  }
}

function isOver(sinceMs: number, limitMs: number, nowMs: number): boolean {
  return limitMs > 0 && nowMs - sinceMs >= limitMs;
}

/** Something of an answer waits for the client to take it. */
function isUnread(stream: ServerHttp2Stream): boolean {
  return stream.writableLength > 0 || (stream.writableEnded && !stream.writableFinished);
}

/** What HTTP/1.1 answers to a body that does not end; a stream that has its answer already is just reset. */
function refuseBody(stream: ServerHttp2Stream): void {
  if (stream.headersSent || stream.destroyed) {
    stream.close(http2.constants.NGHTTP2_CANCEL);
    return;
  }
  const error = { code: 'DEADLINE_EXCEEDED', message: 'The request took too long to arrive.' };
  stream.respond({ ':status': 408, 'content-type': 'application/json; charset=utf-8' });
  stream.end(JSON.stringify({ error }));
}
