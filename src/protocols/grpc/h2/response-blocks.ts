/** The header frames of answers. The two of a usual answer are made once, and only their stream's number is filled in. */
import { okTrailers, type Trailers } from '../status.ts';
import { frame } from './frames.ts';
import { emptyTable, encodeFields, encodeStatus } from './hpack-encoder.ts';
import type { Output } from './output.ts';
import { flag, frameType } from './protocol.ts';

type Fields = Readonly<Record<string, string>>;

const responseFields = { 'content-type': 'application/grpc' } as const;
const responseBlock = Buffer.concat([encodeStatus(200), encodeFields(responseFields)]);
const responseFrame = frame(frameType.headers, flag.endHeaders, 0, responseBlock);
const okFrame = frame(frameType.headers, flag.endHeaders | flag.endStream, 0, encodeFields(okTrailers));

/** Where the stream's number stands in a frame's header. */
const streamIdAt = 5;

export class ResponseBlocks {
  readonly #output: Output;
  /** As long as it says nothing of its table, all blocks can be the prepared ones. */
  mustShrinkTable = false;

  constructor(output: Output) {
    this.#output = output;
  }

  /** The headers before a body. */
  putResponse(streamId: number, extra: Fields | undefined): void {
    if (extra === undefined && !this.mustShrinkTable) this.#putPrepared(responseFrame, streamId);
    else this.#put(streamId, flag.endHeaders, [responseBlock, encodeFields(extra ?? {})]);
  }

  putTrailers(streamId: number, trailers: Trailers): void {
    if (trailers === okTrailers && !this.mustShrinkTable) this.#putPrepared(okFrame, streamId);
    else this.#put(streamId, flag.endHeaders | flag.endStream, [encodeFields(trailers)]);
  }

  /** An answer of headers alone. */
  putOnly(streamId: number, extra: Fields | undefined, trailers: Trailers): void {
    const blocks = [responseBlock, encodeFields(extra ?? {}), encodeFields(trailers)];
    this.#put(streamId, flag.endHeaders | flag.endStream, blocks);
  }

  /** For what is no gRPC. */
  putStatus(streamId: number, status: number): void {
    this.#put(streamId, flag.endHeaders | flag.endStream, [encodeStatus(status)]);
  }

  #putPrepared(prepared: Buffer, streamId: number): void {
    const { length } = prepared;
    const bytes = this.#output.room(length);
    const at = this.#output.take(length);
    bytes.set(prepared, at);
    bytes[at + streamIdAt] = streamId >>> 24;
    bytes[at + streamIdAt + 1] = streamId >>> 16;
    bytes[at + streamIdAt + 2] = streamId >>> 8;
    bytes[at + streamIdAt + 3] = streamId;
  }

  /** One frame: what we say is far below the smallest limit of a frame. */
  #put(streamId: number, flags: number, blocks: readonly Buffer[]): void {
    const begin = this.mustShrinkTable ? [Buffer.of(emptyTable)] : [];
    this.mustShrinkTable = false;
    this.#output.add(frame(frameType.headers, flags, streamId, Buffer.concat([...begin, ...blocks])));
  }
}
