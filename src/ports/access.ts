/**
 * Who may ask: what the protocols know of it. core/access decides, adapters/auth checks credentials. With `auth` off there is no guard
 * at all and nobody is asked.
 */

/** Each role may what the ones before it may. */
export type Role = 'predict' | 'operate' | 'admin';
/** What a route demands. `public`: nothing. */
export type RouteRole = 'public' | Role;

export interface Caller {
  /** `key:<id>`, `user:<name>` or `token:<issuer>/<subject>`; stands in logs and in the prediction log. */
  readonly id: string;
  readonly role: Role;
  /** Models it may ask, with `*` for any characters; undefined: all. */
  readonly models: readonly string[] | undefined;
  readonly limits: CallerLimits;
}

/** Undefined: no limit. */
export interface CallerLimits {
  readonly requestsPerSecond?: number | undefined;
  /** Requests at once after a pause. @default requestsPerSecond, at least 1 */
  readonly burst?: number | undefined;
  readonly requestsPerDay?: number | undefined;
  readonly concurrency?: number | undefined;
}

/** What came with the request. Both undefined: anonymous. */
export interface Credentials {
  /** The whole `Authorization` header. */
  readonly authorization: string | undefined;
  /** The `X-API-Key` header. */
  readonly apiKey: string | undefined;
}

export interface Grant {
  readonly caller: Caller;
  /** `ratelimit-limit`, its value, `ratelimit-remaining`, ...; empty without limits. */
  readonly headers: readonly string[];
  /** Gives back the place among the caller's concurrent requests. Exactly once. */
  release(): void;
}

export interface AccessGuard {
  /**
   * Lets an inference request in, counting it against its caller's limits. Synchronous for credentials seen before; a promise while a
   * token is verified. The error is returned, not thrown: UNAUTHENTICATED (one sentence for every reason), PERMISSION_DENIED, RATE_LIMITED
   * (with retryAfterSeconds; `details.headers` are the grant's headers).
   */
  enter(credentials: Credentials, role: RouteRole): Grant | Error | Promise<Grant | Error>;
  /** For requests that are no inference: who it is, without counting. Resolves undefined on public routes without credentials. */
  identify(credentials: Credentials, role: RouteRole): Promise<Caller | undefined | Error>;
}
