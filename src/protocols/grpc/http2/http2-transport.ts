/**
 * The listener on node:http2: h2c with prior knowledge, or TLS with h2 only. Sizes and limits of the HTTP/2 layer are here; what
 * becomes of sessions over time is in session-keeper.ts. Must never look into messages.
 */
import http2, { type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock, Random } from '../../../ports/clock.ts';
import type { Logger } from '../../../ports/logger.ts';
import type { GrpcConfig } from '../deps.ts';
import type { AcceptStream, Transport } from '../transport.ts';
import { Http2CallStream } from './http2-stream.ts';
import { SessionKeeper } from './session-keeper.ts';
import { readTlsFiles } from './tls-files.ts';

const KiB = 1024;
const MiB = KiB * KiB;

/** Receive windows. With the default of 64 KiB a 600 KB tensor needs ten round trips. */
const streamWindowBytes = 16 * MiB;
const sessionWindowBytes = 64 * MiB;

const http2Options = {
  maxSessionInvalidFrames: 100,
  maxSessionRejectedStreams: 1000,
  // Megabytes. Answers that wait for the client count here, and beyond it new streams would be refused.
  maxSessionMemory: 1024,
  // Rapid reset. Clients reset a stream when its deadline passes: thousands at once are legitimate, again and again is not.
  streamResetBurst: 5000,
  streamResetRate: 500,
  maxSettings: 32,
};

export interface TransportDeps {
  readonly config: GrpcConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** @throws Error when a certificate file cannot be read. */
export function createHttp2Transport(deps: TransportDeps, accept: AcceptStream): Transport {
  return new Http2Transport(deps, accept);
}

class Http2Transport implements Transport {
  readonly #deps: TransportDeps;
  readonly #server: http2.Http2Server | http2.Http2SecureServer;
  readonly #keeper: SessionKeeper;
  readonly #sockets = new Set<Duplex>();
  #closed: Promise<void> | undefined;

  constructor(deps: TransportDeps, accept: AcceptStream) {
    this.#deps = deps;
    const { config, clock, random } = deps;
    this.#keeper = new SessionKeeper(config, clock, random);
    const tls = readTlsFiles(config);
    this.#server = createServer(config, tls);
    this.#server.maxConnections = config.maxConnections;
    this.#watch(tls !== undefined, accept);
  }

  listen(): Promise<number> {
    const { host, grpcPort } = this.#deps.config;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(grpcPort, host, () => {
        this.#server.off('error', reject);
        this.#server.on('error', (error) => this.#deps.logger.error({ err: error }, 'the gRPC listener failed'));
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async destroy(): Promise<void> {
    const closed = this.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #close(): Promise<void> {
    if (!this.#server.listening) return;
    const ended = new Promise<void>((resolve) => NetServer.prototype.close.call(this.#server, () => resolve()));
    this.#keeper.retireAll();
    await ended;
    this.#keeper.stop();
  }

  #watch(isSecure: boolean, accept: AcceptStream): void {
    const server = this.#server;
    const connections: NodeJS.EventEmitter = server;
    connections.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    // A session does not give its socket away; node makes it in the same turn, in a later listener of this event.
    let socket!: Duplex;
    connections.prependListener(isSecure ? 'secureConnection' : 'connection', (connected: Duplex) => {
      socket = connected;
    });
    server.on('session', (session) => {
      const connection = socket as Socket;
      session.setLocalWindowSize(sessionWindowBytes);
      const calls = this.#keeper.add(session, connection);
      serve(session, connection.remoteAddress ?? '', calls, accept);
    });
    // Broken frames and handshakes are the client's doing; node ends the connection by itself.
    server.on('sessionError', (error) => this.#deps.logger.debug({ err: error }, 'gRPC session failed'));
    connections.on('tlsClientError', (_error: Error, failed: Duplex) => failed.destroy());
  }
}

function serve(session: ServerHttp2Session, peer: string, calls: Set<Http2CallStream>, accept: AcceptStream): void {
  session.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    const refused = refusalOf(headers);
    const call = new Http2CallStream(stream, headers, peer, calls);
    if (refused !== undefined) call.refuse(refused);
    else call.attach(accept(call));
  });
}

function createServer(
  { grpcMaxStreams, headersTimeoutMs }: GrpcConfig,
  tls: ReturnType<typeof readTlsFiles>,
): http2.Http2Server | http2.Http2SecureServer {
  const options = {
    ...http2Options,
    settings: {
      initialWindowSize: streamWindowBytes,
      maxConcurrentStreams: grpcMaxStreams,
      maxHeaderListSize: 16 * KiB,
      enablePush: false,
    },
  };
  if (tls === undefined) return http2.createServer(options);
  const requestCert = tls.ca !== undefined;
  const handshakeTimeout = headersTimeoutMs;
  return http2.createSecureServer({
    ...options,
    ...tls,
    requestCert,
    rejectUnauthorized: requestCert,
    handshakeTimeout,
  });
}

/** What is no gRPC at all gets an HTTP status; gRPC's own would not be understood. */
function refusalOf(headers: IncomingHttpHeaders): number | undefined {
  if (headers[':method'] !== 'POST') return 405;
  const type = headers['content-type'];
  const isGrpc =
    type === 'application/grpc' || type === 'application/grpc+proto' || type?.startsWith('application/grpc;');
  return isGrpc ? undefined : 415;
}
