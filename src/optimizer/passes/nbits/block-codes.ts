/**
 * A weight matrix as codes with a scale per block, and its packed form as MatMulNBits takes it. Filled by the rounders
 * (round-to-nearest, GPTQ), read by weight-only.ts. Pure.
 */
import { clamp, roundHalfEven } from '../../quantize/round.ts';
import type { BlockSettings } from './block-scales.ts';
import { chooseScale, chosen } from './block-scales.ts';

export class BlockCodes {
  /** Length of the sums. */
  readonly inner: number;
  /** Number of results per row. */
  readonly outer: number;
  readonly settings: BlockSettings;
  /** Blocks along the inner dimension; the last may be short. */
  readonly blocks: number;
  /** [inner, outer] */
  readonly codes: Uint8Array<ArrayBuffer>;
  /** [blocks, outer] */
  readonly scales: Float32Array<ArrayBuffer>;
  /** [blocks, outer]: the code that means 0. */
  readonly zeros: Uint8Array<ArrayBuffer>;
  readonly #column: Float32Array;

  constructor(inner: number, outer: number, settings: BlockSettings) {
    this.inner = inner;
    this.outer = outer;
    this.settings = settings;
    this.blocks = Math.ceil(inner / settings.blockSize);
    this.codes = new Uint8Array(inner * outer);
    this.scales = new Float32Array(this.blocks * outer);
    this.zeros = new Uint8Array(this.blocks * outer);
    this.#column = new Float32Array(settings.blockSize);
  }

  /** Chooses the scales of one block from its rows, which start at `offset` of `weights` [.., outer]. */
  chooseScales(block: number, weights: Float32Array, offset: number): void {
    const count = Math.min(this.settings.blockSize, this.inner - block * this.settings.blockSize);
    for (let n = 0; n < this.outer; n++) {
      for (let i = 0; i < count; i++) this.#column[i] = weights[offset + i * this.outer + n]!;
      chooseScale(this.#column, count, this.settings);
      this.scales[block * this.outer + n] = chosen.scale;
      this.zeros[block * this.outer + n] = chosen.zero;
    }
  }

  /** Rounds `row` of the matrix from the numbers at `offset`; its block has scales. */
  roundRow(row: number, weights: Float32Array, offset: number): void {
    const { outer } = this;
    const levels = 2 ** this.settings.bits - 1;
    const base = Math.floor(row / this.settings.blockSize) * outer;
    for (let n = 0; n < outer; n++) {
      const code = roundHalfEven(weights[offset + n]! / this.scales[base + n]!) + this.zeros[base + n]!;
      this.codes[row * outer + n] = clamp(code, 0, levels);
    }
  }

  /** The weight that the runtime will compute with. */
  valueAt(row: number, n: number): number {
    const at = Math.floor(row / this.settings.blockSize) * this.outer + n;
    return (this.codes[row * this.outer + n]! - this.zeros[at]!) * this.scales[at]!;
  }

  /** Codes as [outer, blocks, blockSize * bits / 8] bytes, low bits first; a short last block is filled up with zero weights. */
  packedCodes(): Uint8Array<ArrayBuffer> {
    const { inner, outer, blocks, codes, zeros } = this;
    const { bits, blockSize } = this.settings;
    const perRow = (blocks * blockSize * bits) / 8;
    const packed = new Uint8Array(outer * perRow);
    for (let k = 0; k < blocks * blockSize; k++) {
      const zeroBase = Math.floor(k / blockSize) * outer;
      const at = Math.floor((k * bits) / 8);
      const shift = bits === 4 && k % 2 === 1 ? 4 : 0;
      for (let n = 0; n < outer; n++) {
        const code = k < inner ? codes[k * outer + n]! : zeros[zeroBase + n]!;
        packed[n * perRow + at] = packed[n * perRow + at]! | (code << shift);
      }
    }
    return packed;
  }

  /** [outer, blocks] */
  packedScales(): Float32Array<ArrayBuffer> {
    const { outer, blocks, scales } = this;
    const turned = new Float32Array(scales.length);
    for (let b = 0; b < blocks; b++) for (let n = 0; n < outer; n++) turned[n * blocks + b] = scales[b * outer + n]!;
    return turned;
  }

  /** [outer, ceil(blocks * bits / 8)] bytes; undefined where all are the middle, which the operator assumes. */
  packedZeros(): Uint8Array<ArrayBuffer> | undefined {
    if (this.settings.symmetric) return undefined;
    const { outer, blocks, zeros } = this;
    const perRow = Math.ceil((blocks * this.settings.bits) / 8);
    const packed = new Uint8Array(outer * perRow);
    for (let n = 0; n < outer; n++) {
      for (let b = 0; b < blocks; b++) {
        const zero = zeros[b * outer + n]!;
        if (this.settings.bits === 8) packed[n * perRow + b] = zero;
        else packed[n * perRow + (b >> 1)]! |= zero << (b % 2 === 1 ? 4 : 0);
      }
    }
    return packed;
  }
}

/** Every weight to its nearest code. `weights` [inner, outer]. */
export function roundToNearest(
  weights: Float32Array,
  inner: number,
  outer: number,
  settings: BlockSettings,
): BlockCodes {
  const result = new BlockCodes(inner, outer, settings);
  for (let block = 0; block < result.blocks; block++) {
    result.chooseScales(block, weights, block * settings.blockSize * outer);
  }
  for (let row = 0; row < inner; row++) result.roundRow(row, weights, row * outer);
  return result;
}
