/**
 * The HTTP/2 connections to one address: one by default, more while all streams are taken, and those beyond the minimum closed when
 * idle. A connection that leaves (GOAWAY, loss) is replaced by the next call. Owned by grpc-transport.ts.
 */
import type { Clock } from '../../ports/clock.ts';
import { H2Channel } from './h2-channel.ts';
import type { ConnectionCounts } from './transport.ts';
import type { UpstreamTarget } from './upstream-settings.ts';

/** An idle connection beyond the minimum is closed after this. */
const idleMs = 30_000;

export class ChannelPool {
  readonly #target: UpstreamTarget;
  readonly #clock: Clock;
  readonly #max: number;
  #channels: H2Channel[] = [];
  #sweeping = false;
  #closed = false;

  constructor(target: UpstreamTarget, clock: Clock) {
    this.#target = target;
    this.#clock = clock;
    this.#max = Math.max(1, target.minConnections, target.maxConnections ?? 1);
    for (let count = 0; count < target.minConnections; count++) this.#open();
  }

  /** The connection for the next call; the busiest one that has room, so that the others can become idle. */
  take(): H2Channel {
    let best: H2Channel | undefined;
    let least: H2Channel | undefined;
    for (const channel of this.#channels) {
      if (!channel.saturated && (best === undefined || channel.calls > best.calls)) best = channel;
      if (least === undefined || channel.calls < least.calls) least = channel;
    }
    if (best !== undefined) return best;
    return least === undefined || this.#channels.length < this.#max ? this.#open() : least;
  }

  counts(): ConnectionCounts {
    let inUse = 0;
    let waiting = 0;
    for (const { calls, limit } of this.#channels) {
      if (calls > 0) inUse++;
      waiting += Math.max(0, calls - limit);
    }
    return { size: this.#channels.length, inUse, idle: this.#channels.length - inUse, waiting };
  }

  reset(): void {
    for (const channel of [...this.#channels]) channel.destroy();
  }

  close(): void {
    this.#closed = true;
    for (const channel of [...this.#channels]) channel.close();
  }

  #open(): H2Channel {
    const channel = new H2Channel(this.#target, this.#clock, {
      onFree: (free) => {
        if (free.calls === 0 && this.#channels.length > this.#target.minConnections) this.#sweepLater();
      },
      onGone: (gone) => {
        this.#channels = this.#channels.filter((other) => other !== gone);
      },
    });
    this.#channels.push(channel);
    return channel;
  }

  #sweepLater(): void {
    if (this.#sweeping || this.#closed) return;
    this.#sweeping = true;
    this.#clock.after(idleMs, () => {
      this.#sweeping = false;
      this.#sweep();
    });
  }

  #sweep(): void {
    const nowMs = this.#clock.now();
    for (const channel of [...this.#channels]) {
      if (this.#channels.length <= this.#target.minConnections) return;
      if (channel.calls > 0) continue;
      if (nowMs - channel.idleSinceMs >= idleMs) channel.close();
      else this.#sweepLater();
    }
  }
}
