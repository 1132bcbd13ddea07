/**
 * The messages between the supervisor and its HTTP processes, as plain data over Node's IPC channel.
 * Used by worker-link.ts (in the worker) and link-hub.ts and worker-slot.ts (in the supervisor) only.
 */

import type { ServerUrls } from './server-contract.ts';

/** What one sibling said to a broadcast, or why it said nothing. */
export type LinkReply =
  | { readonly workerId: number; readonly ok: true; readonly value: unknown }
  | { readonly workerId: number; readonly ok: false; readonly error: string };

export type FromWorker =
  | ({ readonly hotpath: 'ready' } & ServerUrls)
  | { readonly hotpath: 'retire' }
  | { readonly hotpath: 'broadcast'; readonly id: number; readonly body: unknown; readonly timeoutMs: number }
  | { readonly hotpath: 'reply'; readonly id: number; readonly value: unknown }
  | { readonly hotpath: 'reply-error'; readonly id: number; readonly error: string };

export type ToWorker =
  | { readonly hotpath: 'drain' }
  | { readonly hotpath: 'deliver'; readonly id: number; readonly body: unknown }
  | { readonly hotpath: 'replies'; readonly id: number; readonly replies: readonly LinkReply[] };

/** Node's own cluster messages travel on the same channel; ours carry the key `hotpath`. */
export function isLinkMessage(message: unknown): message is { readonly hotpath: string } {
  return typeof message === 'object' && message !== null && 'hotpath' in message;
}
