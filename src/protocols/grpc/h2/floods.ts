/** What one client may do that costs us something and brings it nothing. Used by connection.ts. */
import type { Clock } from '../../../ports/clock.ts';
import { ConnectionError, errorCode } from './protocol.ts';
import { type BucketSize, TokenBucket } from './token-bucket.ts';

/** Each costs an answer. Bandwidth probes come a few at a time, up to some ten a second. SETTINGS count too. */
const pings: BucketSize = { burst: 200, perSecond: 20 };
/**
 * Rapid reset, also by provoking our resets. Clients reset a stream when its deadline passes: thousands at once are legitimate,
 * again and again is not.
 */
const resets: BucketSize = { burst: 5000, perSecond: 500 };
/** Empty DATA, PRIORITY, unknown types. */
const idleFrames: BucketSize = { burst: 1000, perSecond: 100 };

export class Floods {
  readonly #clock: Clock;
  readonly #pings: TokenBucket;
  readonly #resets: TokenBucket;
  readonly #idle: TokenBucket;

  constructor(clock: Clock) {
    const nowMs = clock.now();
    this.#clock = clock;
    this.#pings = new TokenBucket(pings, nowMs);
    this.#resets = new TokenBucket(resets, nowMs);
    this.#idle = new TokenBucket(idleFrames, nowMs);
  }

  /** @throws ConnectionError ENHANCE_YOUR_CALM, as the others. */
  ping(): void {
    this.#check(this.#pings, 'pings');
  }

  reset(): void {
    this.#check(this.#resets, 'resets');
  }

  idleFrame(): void {
    this.#check(this.#idle, 'frames without a use');
  }

  #check(bucket: TokenBucket, what: string): void {
    if (!bucket.take(this.#clock.now())) throw new ConnectionError(errorCode.enhanceYourCalm, `Too many ${what}.`);
  }
}
