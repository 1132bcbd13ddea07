/**
 * The listener of our HTTP/2: h2c with prior knowledge, or TLS with h2 only. Made by grpc-server.ts. What becomes of connections
 * over time is in keeper.ts. Must never look into messages.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import type { Clock, Random } from '../../../ports/clock.ts';
import type { Logger } from '../../../ports/logger.ts';
import type { GrpcConfig } from '../deps.ts';
import type { AcceptStream, Transport } from '../transport.ts';
import { type ConnectionOptions, H2Connection } from './connection.ts';
import { Keeper } from './keeper.ts';
import { ConnectionError } from './protocol.ts';
import { readTlsFiles, type TlsFiles } from './tls-files.ts';

export interface TransportDeps {
  readonly config: GrpcConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** @throws Error when a certificate file cannot be read. */
export function createH2Transport(deps: TransportDeps, accept: AcceptStream): Transport {
  return new H2Transport(deps, accept);
}

class H2Transport implements Transport {
  readonly #deps: TransportDeps;
  readonly #server: Server;
  readonly #keeper: Keeper;
  readonly #options: ConnectionOptions;
  /** All of them, also those within a handshake. */
  readonly #sockets = new Set<Socket>();
  #closed: Promise<void> | undefined;

  constructor(deps: TransportDeps, accept: AcceptStream) {
    const { config, clock, random } = deps;
    this.#deps = deps;
    this.#keeper = new Keeper(config, clock, random);
    this.#options = { clock, maxStreams: config.grpcMaxStreams, accept, onError: (error) => this.#report(error) };
    const tls = readTlsFiles(config);
    this.#server = tls === undefined ? createServer({ noDelay: true }) : createSecure(config, tls);
    this.#server.maxConnections = config.maxConnections;
    this.#watch(tls !== undefined);
  }

  listen(): Promise<number> {
    const { host, grpcPort } = this.#deps.config;
    const server = this.#server;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(grpcPort, host, () => {
        server.off('error', reject);
        server.on('error', (error) => this.#deps.logger.error({ err: error }, 'the gRPC listener failed'));
        resolve((server.address() as AddressInfo).port);
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
    const ended = new Promise<void>((resolve) => void this.#server.close(() => resolve()));
    this.#keeper.retireAll();
    await ended;
    this.#keeper.stop();
  }

  #watch(isSecure: boolean): void {
    const server = this.#server;
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      if (!isSecure) this.#serve(socket);
    });
    if (!isSecure) return;
    const handshakes: NodeJS.EventEmitter = server;
    handshakes.on('secureConnection', (socket: TLSSocket) => {
      if (socket.alpnProtocol === 'h2') this.#serve(socket);
      else socket.destroy();
    });
    // Broken handshakes are the client's doing.
    handshakes.on('tlsClientError', (_error: Error, failed: TLSSocket) => failed.destroy());
  }

  #serve(socket: Socket): void {
    const connection = new H2Connection(socket, this.#options);
    this.#keeper.add(connection);
    socket.once('close', () => this.#keeper.delete(connection));
  }

  #report(error: unknown): void {
    const { logger } = this.#deps;
    if (error instanceof ConnectionError) logger.debug({ err: error }, 'a gRPC client made a mistake');
    else logger.error({ err: error }, 'a gRPC connection failed');
  }
}

function createSecure({ headersTimeoutMs }: GrpcConfig, tls: TlsFiles): Server {
  const requestCert = tls.ca !== undefined;
  return createTlsServer({
    ...tls,
    ALPNProtocols: ['h2'],
    minVersion: 'TLSv1.2',
    requestCert,
    rejectUnauthorized: requestCert,
    handshakeTimeout: headersTimeoutMs,
    noDelay: true,
  });
}
