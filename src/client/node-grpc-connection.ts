/**
 * The one HTTP/2 connection of a gRPC client: made with the first call, made anew after it was lost or the server asked to leave
 * it. Calls under way on the old one end there. Keeps the process alive only while a call is under way.
 */
import { type ClientHttp2Session, connect } from 'node:http2';
import { HotpathClientError } from './client-error.ts';

export interface TlsOptions {
  /** PEM. @default the authorities of the runtime */
  readonly ca?: string | Uint8Array;
  /** PEM, of the client: for servers that ask for a certificate. */
  readonly cert?: string | Uint8Array;
  readonly key?: string | Uint8Array;
  /** Name to check the server's certificate against. @default the host of the address */
  readonly serverName?: string;
}

const MiB = 1024 * 1024;

/** Node's default of 64 KiB makes a 600 KB answer over a 10 ms link wait nine round trips. */
const streamWindowBytes = 16 * MiB;
const connectionWindowBytes = 64 * MiB;

export class GrpcConnection {
  readonly #url: string;
  readonly #tls: TlsOptions;
  readonly #pongTimeoutMs: number;
  #session: ClientHttp2Session | undefined;
  #calls = 0;
  #closed = false;

  /** `host:port`, or with a scheme: grpc, http, grpcs or https. Without one, `tls` decides. */
  constructor(address: string, tls: TlsOptions | undefined, pongTimeoutMs: number) {
    const [, scheme, host] = /^(?:([a-z]+):\/\/)?([^/]+)\/?$/.exec(address) ?? [];
    if (host === undefined)
      throw new HotpathClientError('INVALID_INPUT', `address: expected host:port, got ${address}`);
    const secure = scheme === undefined ? tls !== undefined : scheme.endsWith('s');
    this.#url = `${secure ? 'https' : 'http'}://${host}`;
    this.#tls = tls ?? {};
    this.#pongTimeoutMs = pongTimeoutMs;
  }

  /** Runs `use` on the connection of the moment. @throws CONNECTION_FAILED after `close`. */
  async with<T>(use: (session: ClientHttp2Session) => Promise<T>): Promise<T> {
    if (this.#closed) throw new HotpathClientError('CANCELLED', 'The client is closed.');
    const session = this.#open();
    this.#calls++;
    session.ref();
    try {
      return await use(session);
    } catch (error) {
      if ((error as Partial<HotpathClientError>).code === 'DEADLINE_EXCEEDED') this.#askForLife(session);
      throw error;
    } finally {
      this.#calls--;
      if (this.#calls === 0) this.#session?.unref();
    }
  }

  /** Lets calls under way finish; idempotent. */
  close(): void {
    this.#closed = true;
    this.#session?.close();
  }

  /**
   * A call that got no answer may have been sent to nobody: a host that vanished tells nothing for minutes. Without this, every
   * later call would go the same way.
   */
  #askForLife(session: ClientHttp2Session): void {
    if (session.destroyed) return;
    const timer = setTimeout(() => session.destroy(), this.#pongTimeoutMs).unref();
    if (!session.connecting) session.ping(() => clearTimeout(timer));
    else session.once('connect', () => clearTimeout(timer));
  }

  #open(): ClientHttp2Session {
    const known = this.#session;
    if (known !== undefined && !known.closed && !known.destroyed) return known;
    const { serverName, ...tls } = this.#tls;
    const session = connect(this.#url, {
      ...(tls as { ca?: string; cert?: string; key?: string }),
      ...(serverName === undefined ? {} : { servername: serverName }),
      settings: { enablePush: false, initialWindowSize: streamWindowBytes },
      // In MB; the default of 10 refuses streams while a few tensors are under way.
      maxSessionMemory: 4096,
    });
    session.once('connect', () => session.setLocalWindowSize(connectionWindowBytes));
    // Every call hears of it by its stream; without a listener the process would end.
    session.on('error', () => {});
    session.once('goaway', () => session.close());
    this.#session = session;
    return session;
  }
}
