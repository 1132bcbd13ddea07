/**
 * What the CLI needs of a server: src/server.ts in production, a few lines of node:http in the supervisor's tests.
 * Types only.
 */

import type { ValueSource } from '../config/load.ts';
import type { Config, SettingName } from '../config/schema.ts';
import type { WorkerLink } from './worker-link.ts';

export interface ServerUrls {
  /** Of the public listener, e.g. `http://127.0.0.1:8000`. */
  readonly url: string;
  /** Of the gRPC listener, e.g. `grpc://127.0.0.1:8001`; undefined when it is off. */
  readonly grpcUrl: string | undefined;
  /** Undefined when the admin listener is off. */
  readonly adminUrl: string | undefined;
}

export interface RunningServer extends ServerUrls {
  /**
   * Not ready -> wait shutdownDelayMs -> close the listeners -> finish what was accepted. Connections that are kept alive are
   * told `connection: close` with their next answer rather than cut, so that no request is lost between two of them.
   */
  drain(): Promise<void>;
  /** Stops everything in reverse order of the start. Idempotent. */
  close(): Promise<void>;
  /** Requests answered so far; read a few times a second to recycle the process after maxRequests. */
  requestCount?(): number;
}

export interface ServerOptions {
  readonly config: Config;
  /** Where each value came from, for the admin API. */
  readonly provenance: Readonly<Record<SettingName, ValueSource>>;
  /** The siblings, when there are several processes. */
  readonly link?: WorkerLink | undefined;
}

export type StartServer = (options: ServerOptions) => Promise<RunningServer>;
