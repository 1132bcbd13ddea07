/**
 * Tells other processes over pub/sub which answers are no longer to be given. Made by open-redis.ts; core/cache publishes and
 * listens. Its connection of its own is made when somebody listens. What may have been missed while it was down counts as
 * everything, so a handler may be told `*` at any time.
 */
import type { Redis } from 'ioredis';
import type { Invalidation, InvalidationBus } from '../../ports/cache-store.ts';
import type { Clock, TimerHandle } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Connection } from './connection.ts';
import type { Connections } from './connections.ts';

export interface InvalidationBusOptions {
  readonly connections: Connections;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly prefix: string;
  /** Names this process among all. */
  readonly sender: string;
}

/** A subscriber hears nothing for hours; without questions it would not notice that its connection is dead. */
const pingMs = 10_000;

export class RedisInvalidationBus implements InvalidationBus {
  readonly #options: InvalidationBusOptions;
  readonly #channel: string;
  readonly #handlers: ((invalidation: Invalidation) => void)[] = [];
  #subscriber: Connection | undefined;
  #mayHaveMissed = false;
  #pinging: TimerHandle | undefined;
  #closed = false;

  constructor(options: InvalidationBusOptions) {
    this.#options = options;
    this.#channel = `${options.prefix}invalidate`;
  }

  async publish({ model, version }: Invalidation): Promise<void> {
    const message = JSON.stringify({ sender: this.#options.sender, model, version });
    await this.#options.connections.sendTogether((redis) => redis.publish(this.#channel, message));
  }

  onInvalidation(handler: (invalidation: Invalidation) => void): void {
    if (this.#closed) return;
    this.#handlers.push(handler);
    this.#subscriber ??= this.#subscribe();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#handlers.length = 0;
    this.#stopPinging();
    await this.#subscriber?.close();
  }

  #subscribe(): Connection {
    this.#ping();
    return this.#options.connections.addSubscriber({
      begin: (redis) => this.#begin(redis),
      onLost: () => {
        this.#mayHaveMissed = true;
      },
    });
  }

  async #begin(redis: Redis): Promise<void> {
    redis.removeAllListeners('message');
    redis.on('message', (_channel, text) => this.#receive(text));
    await redis.subscribe(this.#channel);
    if (this.#mayHaveMissed) this.#tell({ model: '*' });
    this.#mayHaveMissed = false;
  }

  #receive(text: string): void {
    const message = parseMessage(text);
    if (message !== undefined && message.sender !== this.#options.sender) this.#tell(message.invalidation);
  }

  #tell(invalidation: Invalidation): void {
    for (const handler of this.#handlers) {
      try {
        handler(invalidation);
      } catch (error) {
        this.#options.logger.error({ err: error }, 'an invalidation could not be carried out');
      }
    }
  }

  #ping(): void {
    this.#pinging = this.#options.clock.after(pingMs, () => {
      // A ping without an answer lets the driver drop the connection.
      this.#subscriber?.send((redis) => redis.ping()).catch(() => {});
      this.#ping();
    });
  }

  #stopPinging(): void {
    if (this.#pinging !== undefined) this.#options.clock.clear(this.#pinging);
  }
}

interface Message {
  readonly sender: string;
  readonly invalidation: Invalidation;
}

/** Undefined for whatever else is on the channel. */
export function parseMessage(text: string): Message | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const { sender, model, version } = parsed as Record<string, unknown>;
  if (typeof sender !== 'string' || typeof model !== 'string' || model === '') return undefined;
  if (version !== undefined && typeof version !== 'string') return undefined;
  return { sender, invalidation: { model, version } };
}
