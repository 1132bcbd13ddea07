import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FrameParser, type FrameSink, maxDataBytes, maxWholeBytes } from './frame-parser.ts';
import { frame } from './frames.ts';
import { ConnectionError, errorCode, flag, frameType, preface } from './protocol.ts';

/** Frames in words, with the pieces of DATA joined. */
class Recorder implements FrameSink {
  readonly seen: string[] = [];
  #data = '';
  #pieces: Buffer[] = [];

  onDataBegin(streamId: number, length: number): void {
    this.#data = `data ${streamId} ${length}`;
    this.#pieces = [];
  }

  onDataPiece(piece: Buffer): void {
    assert.ok(piece.length > 0);
    this.#pieces.push(piece);
  }

  onDataEnd(isLast: boolean): void {
    this.seen.push(`${this.#data} ${Buffer.concat(this.#pieces).toString('hex')} ${isLast}`);
  }

  onUnknown(): void {
    this.seen.push('unknown');
  }

  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    this.seen.push(`${type} ${flags} ${streamId} ${bytes.toString('hex', start, end)}`);
  }
}

function parse(bytes: Buffer, cuts: readonly number[]): readonly string[] {
  const recorder = new Recorder();
  const parser = new FrameParser(recorder);
  let start = 0;
  for (const cut of [...cuts.map((at) => at % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    // A copy, so that nothing is read beyond the cut.
    parser.push(Buffer.from(bytes.subarray(start, cut)));
    start = cut;
  }
  return recorder.seen;
}

const begin = Buffer.concat([preface, frame(frameType.settings, 0, 0, Buffer.alloc(6))]);
const greeting = '4 0 0 000000000000';

const payload = fc.uint8Array({ maxLength: 60 });
const streamId = fc.integer({ min: 0, max: 0x7fff_ffff });
const flags = fc.integer({ min: 0, max: 255 });

/** The bytes of a frame, and how the recorder tells it. */
const whole = fc
  .tuple(fc.integer({ min: 1, max: 9 }), flags, streamId, payload)
  .map(([type, flags, id, bytes]) => [
    frame(type, flags, id, bytes),
    `${type} ${flags} ${id} ${Buffer.from(bytes).toString('hex')}`,
  ]);
const plainData = fc.tuple(fc.boolean(), streamId, payload).map(([isLast, id, bytes]) => {
  const words = `data ${id} ${bytes.length} ${Buffer.from(bytes).toString('hex')} ${isLast}`;
  return [frame(frameType.data, isLast ? flag.endStream : 0, id, bytes), words];
});
const paddedData = fc.tuple(fc.boolean(), payload, fc.nat(255)).map(([isLast, bytes, padding]) => {
  const flags = flag.padded | (isLast ? flag.endStream : 0);
  const all = Buffer.concat([Buffer.of(padding), bytes, Buffer.alloc(padding)]);
  return [frame(frameType.data, flags, 7, all), `data 7 ${all.length} ${Buffer.from(bytes).toString('hex')} ${isLast}`];
});
const unknown = fc
  .tuple(fc.integer({ min: 10, max: 255 }), payload)
  .map(([type, bytes]) => [frame(type, 0, 1, bytes), 'unknown']);
const anyFrame = fc.oneof(whole, plainData, paddedData, unknown) as fc.Arbitrary<[Buffer, string]>;

describe('FrameParser', () => {
  it('finds the frames however their bytes are cut', () => {
    const cuts = fc.array(fc.nat(1000), { maxLength: 20 });
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 8 }), cuts, (frames, cuts) => {
        const bytes = Buffer.concat([begin, ...frames.map(([bytes]) => bytes)]);
        assert.deepEqual(parse(bytes, cuts), [greeting, ...frames.map(([, words]) => words)]);
      }),
      { numRuns: 500 },
    );
  });

  it('finds them byte by byte', () => {
    const [first, second] = [frame(1, 4, 3, Buffer.from('ab')), frame(0, 9, 3, Buffer.of(1, 120, 0))];
    const bytes = Buffer.concat([begin, first, second]);
    const cuts = Array.from({ length: bytes.length }, (_, index) => index);
    assert.deepEqual(parse(bytes, cuts), [greeting, '1 4 3 6162', 'data 3 3 78 true']);
  });

  it('takes any bytes, or says why it does not, the same however they are cut', () => {
    const run = (bytes: Buffer, cuts: readonly number[]) => {
      try {
        return parse(bytes, cuts);
      } catch (error) {
        assert.ok(error instanceof ConnectionError);
        return error.code;
      }
    };
    const cuts = fc.array(fc.nat(1000), { maxLength: 10 });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), cuts, (bytes, cuts) => {
        const all = Buffer.concat([begin, bytes]);
        assert.deepEqual(run(all, cuts), run(all, []));
      }),
      { numRuns: 1000 },
    );
  });

  it('passes DATA on before its frame is complete', () => {
    const bytes = Buffer.concat([begin, frame(frameType.data, 0, 1, Buffer.alloc(1000, 1))]);
    const recorder = new Recorder();
    let received = 0;
    recorder.onDataPiece = (piece) => {
      received += piece.length;
    };
    new FrameParser(recorder).push(bytes.subarray(0, begin.length + 9 + 600));
    assert.equal(received, 600);
  });

  it('refuses frames by their header alone', () => {
    const cases = [
      [frameType.data, maxDataBytes + 1, errorCode.frameSizeError],
      [frameType.headers, maxDataBytes + 1, errorCode.frameSizeError],
      [frameType.headers, maxWholeBytes + 1, errorCode.enhanceYourCalm],
      [99, maxDataBytes + 1, errorCode.frameSizeError],
    ] as const;
    for (const [type, length, code] of cases) {
      const header = frame(type, 0, 1, Buffer.alloc(length)).subarray(0, 9);
      assert.throws(() => parse(Buffer.concat([begin, header]), []), { code });
    }
  });
});
