/**
 * Whether a variant of a detector finds the same things as the original, and as little else. Called by verify.ts, picture by picture.
 * A box is kept when the variant has one of the same class that overlaps it by more than 0.9 (intersection over union).
 */
import type { Tensor } from '../../core/tensor.ts';
import type { BoxHead } from '../../vision/box-head.ts';
import { type Box, overlap } from '../../vision/boxes.ts';
import { type BoxOutput, decodeBoxes } from '../../vision/decode-boxes.ts';
import { toNumbers } from '../data/convert.ts';

export interface BoxDifference {
  readonly pictures: number;
  /** What the original finds, with a score of 0.4 or more. */
  readonly boxes: number;
  /** Of those, found by the variant too. */
  readonly kept: number;
  /** Found by the variant alone. */
  readonly invented: number;
  /** Of the kept ones, mean intersection over union. */
  readonly overlap: number;
  /** Shares of kept ones among all that either finds: 1 is perfect. */
  readonly agreement: number;
}

export const sameOverlap = 0.9;
const sureScore = 0.4;
/** A box of 0.41 that becomes one of 0.39 was not lost. */
const possibleScore = 0.3;

type Outputs = Readonly<Record<string, Tensor>>;

export class BoxMeter {
  readonly #head: BoxHead;
  #pictures = 0;
  #boxes = 0;
  #kept = 0;
  #invented = 0;
  #overlap = 0;

  constructor(head: BoxHead) {
    this.#head = head;
  }

  /** @param rows pictures in these outputs */
  add(original: Outputs, variant: Outputs, rows: number): void {
    const [before, after] = [boxesOf(this.#head, original, rows), boxesOf(this.#head, variant, rows)];
    for (const [row, boxes] of before.entries()) {
      const others = after[row] ?? [];
      this.#pictures++;
      for (const box of boxes.filter(isSure)) {
        const best = closest(box, others);
        this.#boxes++;
        if (best <= sameOverlap) continue;
        this.#kept++;
        this.#overlap += best;
      }
      this.#invented += others.filter((box) => isSure(box) && closest(box, boxes) <= sameOverlap).length;
    }
  }

  result(): BoxDifference {
    const all = this.#boxes + this.#invented;
    return {
      pictures: this.#pictures,
      boxes: this.#boxes,
      kept: this.#kept,
      invented: this.#invented,
      overlap: this.#kept === 0 ? 0 : this.#overlap / this.#kept,
      agreement: all === 0 ? 1 : this.#kept / all,
    };
  }
}

function isSure({ score }: Box): boolean {
  return score >= sureScore;
}

function closest(box: Box, others: readonly Box[]): number {
  return Math.max(0, ...others.filter(({ label }) => label === box.label).map((other) => overlap(box, other)));
}

/** By picture. */
export function boxesOf(head: BoxHead, outputs: Outputs, rows: number): Box[][] {
  const names = [head.boxes, head.scores, head.labels].filter((name) => name !== undefined);
  return Array.from({ length: rows }, (_, row) => {
    const parts = names.map((name): [string, BoxOutput] => [name, pictureOf(outputs[name]!, row, rows)]);
    return decodeBoxes(head, Object.fromEntries(parts), { minScore: possibleScore });
  });
}

/** Detectors without a batch axis have the boxes on the first one. */
function pictureOf(tensor: Tensor, row: number, rows: number): BoxOutput {
  const data = toNumbers('boxes', tensor);
  if (tensor.shape[0] !== rows) return { data, shape: tensor.shape };
  const size = data.length / rows;
  const part = Array.prototype.slice.call(data, row * size, (row + 1) * size) as number[];
  return { data: rows === 1 ? data : part, shape: tensor.shape.slice(1) };
}
