/**
 * An HTTP process's line to its siblings, through the supervisor. server.ts broadcasts admin operations over it and gathers
 * the siblings' metrics for a scrape; serve-process.ts reports readiness. Must never be used per request.
 */
import type { ServerUrls } from './server-contract.ts';
import { type FromWorker, isLinkMessage, type LinkReply, type ToWorker } from './worker-messages.ts';

export type { LinkReply } from './worker-messages.ts';

/**
 * @typeParam Body what siblings ask each other: a union with a `type` field, structured-cloneable.
 */
export interface WorkerLink<Body = unknown> {
  /** Unique among all processes of this supervisor, ever; 1, 2, 3, ... */
  readonly workerId: number;
  /**
   * Asks every sibling that serves now and waits for their answers. Never rejects: a sibling that died, failed or stayed
   * silent for `timeoutMs` is a reply with `ok: false`. Without siblings the list is empty.
   * @param timeoutMs @default 5000
   */
  broadcast(body: Body, timeoutMs?: number): Promise<readonly LinkReply[]>;
  /** Sets the one who answers broadcasts of siblings. What it throws becomes the `error` of the reply. */
  onMessage(answer: (body: Body) => unknown): void;
  /** Asks the supervisor for a replacement; a drain follows once that one listens. */
  retire(): void;
}

/** The channel, so that tests can do without a process. */
export interface LinkChannel {
  send(message: FromWorker): void;
  onMessage(receive: (message: unknown) => void): void;
}

export interface WorkerControl {
  readonly link: WorkerLink;
  ready(urls: ServerUrls): void;
  /** Called once when the supervisor wants this process to finish and go. */
  onDrain(run: () => void): void;
}

export function processChannel(): LinkChannel {
  return {
    send: (message) => {
      // The channel is gone when the supervisor died; Node then ends this process, nothing to report.
      if (process.connected) process.send?.(message, undefined, undefined, () => {});
    },
    onMessage: (receive) => process.on('message', receive),
  };
}

export function connectWorkerLink(workerId: number, channel: LinkChannel): WorkerControl {
  const waiting = new Map<number, (replies: readonly LinkReply[]) => void>();
  let nextId = 1;
  let answer: (body: unknown) => unknown = () => {
    throw new Error('This process answers no messages yet.');
  };
  let drain: (() => void) | undefined;

  async function deliver(id: number, body: unknown): Promise<void> {
    try {
      channel.send({ hotpath: 'reply', id, value: await answer(body) });
    } catch (error) {
      channel.send({ hotpath: 'reply-error', id, error: (error as Error).message });
    }
  }

  channel.onMessage((raw) => {
    if (!isLinkMessage(raw)) return;
    const message = raw as ToWorker;
    if (message.hotpath === 'drain') drain?.();
    else if (message.hotpath === 'deliver') void deliver(message.id, message.body);
    else {
      waiting.get(message.id)?.(message.replies);
      waiting.delete(message.id);
    }
  });

  return {
    link: {
      workerId,
      broadcast: (body, timeoutMs = 5000) =>
        new Promise((resolve) => {
          const id = nextId++;
          waiting.set(id, resolve);
          channel.send({ hotpath: 'broadcast', id, body, timeoutMs });
        }),
      onMessage: (run) => {
        answer = run as (body: unknown) => unknown;
      },
      retire: () => channel.send({ hotpath: 'retire' }),
    },
    ready: (urls) => channel.send({ hotpath: 'ready', ...urls }),
    onDrain: (run) => {
      drain = run;
    },
  };
}
