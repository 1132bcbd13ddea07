/** What a model runner and its process say to each other: one request at a time, one reply each. Types only. */
import type { Signature, Tensor } from '../../core/tensor.ts';
import type { SessionSpec } from './session.ts';

type Feeds = Readonly<Record<string, Tensor>>;

export type RunnerRequest =
  | { readonly kind: 'open'; readonly session: SessionSpec }
  | { readonly kind: 'run'; readonly feeds: Feeds; readonly fetches: readonly string[] | undefined }
  | { readonly kind: 'time'; readonly feeds: Feeds; readonly budgetMs: number };

export type RunnerReply =
  | { readonly signature: Signature }
  | { readonly outputs: Feeds }
  | { readonly durationsMs: readonly number[]; readonly residentBytes: number }
  /** A sentence, with the code of the error. */
  | { readonly failed: string; readonly code: 'MODEL_FAILED' | 'ENGINE_FAILED' };
