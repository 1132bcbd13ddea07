/**
 * The transport with calls that answer with what they were sent, for tests of the transport alone. What a call does is in its path:
 * `/echo` sends the request back at its end, `/stream` each piece at once, `/header?name` that header, `/hold` nothing ever,
 * `/early` answers before the request is there, `/paused` takes nothing until `resume` is called, `/big?bytes` so many bytes.
 */
import { systemClock } from '../../../../adapters/system-clock.ts';
import type { Clock } from '../../../../ports/clock.ts';
import type { GrpcConfig } from '../../deps.ts';
import { okTrailers } from '../../status.ts';
import type { StreamReceiver, Transport, TransportStream } from '../../transport.ts';
import { createH2Transport } from '../h2-transport.ts';

export interface EchoServer extends AsyncDisposable {
  readonly transport: Transport;
  readonly port: number;
  /** Calls that have neither been answered nor lost. */
  readonly open: Set<TransportStream>;
  readonly gone: string[];
  readonly errors: unknown[];
  /** Bytes that calls were given. */
  receivedBytes: number;
  resumeAll(): void;
}

const config = {
  host: '127.0.0.1',
  grpcPort: 0,
  tlsCert: '',
  tlsKey: '',
  tlsClientCa: '',
  maxConnections: 1000,
  grpcMaxStreams: 100,
  grpcMaxConnectionAgeMs: 0,
  grpcMaxConnectionAgeGraceMs: 5000,
  grpcKeepaliveTimeMs: 0,
  grpcKeepaliveTimeoutMs: 20_000,
  headersTimeoutMs: 5000,
  requestTimeoutMs: 30_000,
} as GrpcConfig;

class Echo implements StreamReceiver {
  readonly stream: TransportStream;
  readonly #server: EchoServer;
  readonly #pieces: Buffer[] = [];

  constructor(stream: TransportStream, server: EchoServer) {
    this.stream = stream;
    this.#server = server;
    server.open.add(stream);
    if (stream.path === '/early') this.#end([]);
    if (stream.path === '/paused') stream.pause();
  }

  onData(piece: Buffer): boolean {
    this.#server.receivedBytes += piece.length;
    if (this.stream.path === '/stream') this.stream.write([piece]);
    else this.#pieces.push(piece);
    return true;
  }

  onEnd(): void {
    const { path } = this.stream;
    const [, name = ''] = path.split('?');
    if (path.startsWith('/header?')) this.#end([Buffer.from(this.stream.header(name) ?? '-', 'latin1')]);
    else if (path.startsWith('/big?')) this.#end([Buffer.alloc(Number.parseInt(name, 10) || 0, 'x')]);
    else if (path === '/stream') this.#end([]);
    else if (path !== '/hold') this.#end(this.#pieces);
  }

  onGone(): void {
    this.#server.open.delete(this.stream);
    this.#server.gone.push(this.stream.path);
  }

  onDrain(): void {}

  #end(chunks: readonly Buffer[]): void {
    this.#server.open.delete(this.stream);
    this.stream.end(chunks, okTrailers);
  }
}

export async function startEcho(changes: Partial<GrpcConfig> = {}, clock: Clock = systemClock): Promise<EchoServer> {
  const errors: unknown[] = [];
  const nothing = () => {};
  const logger = {
    debug: nothing,
    info: nothing,
    warn: nothing,
    error: (fields: object) => void errors.push((fields as { err: unknown }).err),
  };
  const deps = { config: { ...config, ...changes }, clock, random: () => 0.5, logger };
  const transport = createH2Transport(deps, (stream) => new Echo(stream, server));
  const server: EchoServer = {
    transport,
    port: await transport.listen(),
    open: new Set(),
    gone: [],
    errors,
    receivedBytes: 0,
    resumeAll() {
      for (const stream of server.open) stream.resume();
    },
    [Symbol.asyncDispose]: () => transport.destroy(),
  };
  return server;
}
