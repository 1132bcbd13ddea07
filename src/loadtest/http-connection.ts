/**
 * One kept-alive HTTP/1.1 connection of the load generator: one request in flight, bytes precomputed, reads into one reused
 * buffer. Reopens itself on the next request after the server closed it. Never retries: a lost request is reported.
 */
import * as net from 'node:net';
import { ResponseParser } from './response-parser.ts';

export interface Target {
  readonly host: string;
  readonly port: number;
}

export interface ConnectionListener {
  /** `body` is only valid during the call. The connection is free again and may send from inside. */
  answered(connection: HttpConnection, status: number, body: Buffer): void;
  /** The request in flight will get no answer: reset, refused, cut off, not HTTP. */
  broken(connection: HttpConnection, reason: string): void;
}

const READ_BUFFER_BYTES = 64 * 1024;

export class HttpConnection {
  /** What is in flight, kept here so that a request costs no allocation. The loops own these fields. */
  requestIndex = 0;
  intendedMs = 0;
  sentMs = 0;
  deadlineMs = Number.POSITIVE_INFINITY;

  readonly #target: Target;
  readonly #listener: ConnectionListener;
  #socket: net.Socket | undefined;
  #busy = false;

  constructor(target: Target, listener: ConnectionListener) {
    this.#target = target;
    this.#listener = listener;
  }

  get busy(): boolean {
    return this.#busy;
  }

  /** Sends a complete request, opening the connection when needed. Only while not busy. */
  send(bytes: Uint8Array): void {
    this.#busy = true;
    this.#socket ??= this.#open();
    this.#socket.write(bytes);
  }

  /** Drops the socket without telling the listener; what was in flight is forgotten. */
  reset(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#busy = false;
    socket?.destroy();
  }

  #open(): net.Socket {
    const parser = new ResponseParser((status, body, keepAlive) => {
      if (socket === this.#socket) this.#answer(status, body, keepAlive);
    });
    const socket: net.Socket = net.connect({
      ...this.#target,
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafe(READ_BUFFER_BYTES),
        callback: (byteCount, buffer) => this.#read(socket, parser, (buffer as Buffer).subarray(0, byteCount)),
      },
    });
    socket.on('error', (error: NodeJS.ErrnoException) => this.#lost(socket, error.code ?? 'socket error'));
    socket.on('end', () => this.#lost(socket, 'closed by the server'));
    socket.on('close', () => this.#lost(socket, 'closed by the server'));
    return socket;
  }

  #read(socket: net.Socket, parser: ResponseParser, chunk: Buffer): boolean {
    if (socket !== this.#socket) return false;
    try {
      parser.push(chunk);
    } catch (error) {
      this.#lost(socket, error instanceof Error ? error.message : String(error));
    }
    return true;
  }

  #answer(status: number, body: Buffer, keepAlive: boolean): void {
    if (!this.#busy) throw new Error('An answer came that nobody asked for.');
    this.#busy = false;
    if (!keepAlive) this.reset();
    this.#listener.answered(this, status, body);
  }

  #lost(socket: net.Socket, reason: string): void {
    if (socket !== this.#socket) return;
    const wasBusy = this.#busy;
    this.reset();
    if (wasBusy) this.#listener.broken(this, reason);
  }
}
