/** What a stream needs of its connection. Types only. */
import type { H2Stream } from './h2-stream.ts';
import type { Output } from './output.ts';
import type { ResponseBlocks } from './response-blocks.ts';

export interface StreamHost {
  readonly peer: string;
  readonly output: Output;
  readonly blocks: ResponseBlocks;
  /** Largest DATA frame the client takes. */
  readonly maxFrameBytes: number;
  /** What the client takes on the connection; streams lower it as they send. */
  sendWindow: number;
  /** Something was written and must be flushed. */
  wake(): void;
  /** The stream has bytes that must wait: its `pump` is called when they may go. */
  wait(stream: H2Stream): void;
  /** The stream's receiver has taken so many bytes; `isOpen`: more may come on the stream. */
  credit(stream: H2Stream, bytes: number, isOpen: boolean): void;
  /** Both sides have said all. */
  finish(stream: H2Stream): void;
  /** Ends the stream before its time. */
  reset(stream: H2Stream, code: number): void;
}
