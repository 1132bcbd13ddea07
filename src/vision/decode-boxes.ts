/**
 * What a detector found, from its outputs. Called by whoever shows or compares detections; box-head.ts says which layout it is. Pure.
 */

import { type BoxHead, gridStrides } from './box-head.ts';
import { type Box, suppress } from './boxes.ts';

/** The outputs of one picture as plain numbers, by name, with their shapes less the batch axis. */
export interface BoxOutput {
  readonly data: ArrayLike<number>;
  readonly shape: readonly number[];
}

export interface DecodeOptions {
  /** @default 0.3 */
  readonly minScore?: number;
  /** Overlap beyond which two boxes of a class are one thing. @default 0.45 */
  readonly suppression?: number;
}

/** Best first. @param outputs those the head names */
export function decodeBoxes(
  head: BoxHead,
  outputs: Readonly<Record<string, BoxOutput>>,
  { minScore = 0.3, suppression = 0.45 }: DecodeOptions = {},
): Box[] {
  const boxes = outputs[head.boxes]!;
  switch (head.layout) {
    case 'yolox':
      return suppress(readGrid(boxes, minScore, gridPlaces(head)), suppression);
    case 'yolov5':
      return suppress(readGrid(boxes, minScore, undefined), suppression);
    case 'yolov8':
      return suppress(readColumns(boxes, minScore), suppression);
    case 'scored':
      return suppress(readScored(boxes, outputs[head.scores!]!, minScore), suppression);
    case 'listed':
      return readListed(boxes, minScore);
    case 'labelled':
      return readLabelled(boxes, outputs[head.scores!]!, outputs[head.labels!]!, minScore);
  }
}

interface Places {
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly stride: Float64Array;
}

function gridPlaces({ size: { height, width } }: BoxHead): Places {
  const [x, y, strides]: [number[], number[], number[]] = [[], [], []];
  for (const stride of gridStrides) {
    for (let row = 0; row < Math.ceil(height / stride); row++) {
      for (let column = 0; column < Math.ceil(width / stride); column++) {
        x.push(column);
        y.push(row);
        strides.push(stride);
      }
    }
  }
  return { x: Float64Array.from(x), y: Float64Array.from(y), stride: Float64Array.from(strides) };
}

/** Rows of centre, size, object score, class scores. */
function readGrid({ data, shape }: BoxOutput, minScore: number, places: Places | undefined): Box[] {
  const width = shape.at(-1)!;
  const found: Box[] = [];
  for (let row = 0, at = 0; at < data.length; row++, at += width) {
    const certainty = data[at + 4]!;
    if (!(certainty >= minScore)) continue;
    const label = greatest(data, at + 5, width - 5, 1);
    const score = certainty * data[at + 5 + label]!;
    if (!(score >= minScore)) continue;
    const [x, y, w, h] = [data[at]!, data[at + 1]!, data[at + 2]!, data[at + 3]!];
    if (places === undefined) found.push(centred(x, y, w, h, score, label));
    else {
      const stride = places.stride[row]!;
      const [middleX, middleY] = [(x + places.x[row]!) * stride, (y + places.y[row]!) * stride];
      found.push(centred(middleX, middleY, Math.exp(w) * stride, Math.exp(h) * stride, score, label));
    }
  }
  return found;
}

/** Columns of centre, size, class scores. */
function readColumns({ data, shape }: BoxOutput, minScore: number): Box[] {
  const [rows, cells] = shape.slice(-2) as [number, number];
  const found: Box[] = [];
  for (let cell = 0; cell < cells; cell++) {
    const label = greatest(data, 4 * cells + cell, rows - 4, cells);
    const score = data[(4 + label) * cells + cell]!;
    if (!(score >= minScore)) continue;
    const [x, y, w, h] = [0, 1, 2, 3].map((row) => data[row * cells + cell]!) as [number, number, number, number];
    found.push(centred(x, y, w, h, score, label));
  }
  return found;
}

function readScored(boxes: BoxOutput, scores: BoxOutput, minScore: number): Box[] {
  const classes = scores.shape.at(-1)!;
  const corner = holdsCorners(boxes.data);
  const found: Box[] = [];
  for (let row = 0; row < boxes.data.length / 4; row++) {
    const label = 1 + greatest(scores.data, row * classes + 1, classes - 1, 1);
    const score = scores.data[row * classes + label]!;
    if (!(score >= minScore)) continue;
    const [a, b, c, d] = [0, 1, 2, 3].map((side) => boxes.data[4 * row + side]!) as [number, number, number, number];
    found.push(corner ? { left: a, top: b, right: c, bottom: d, score, label } : centred(a, b, c, d, score, label));
  }
  return found;
}

/** Corners, and not centre and size: then right is right of left in (nearly) all of them. */
function holdsCorners(data: ArrayLike<number>): boolean {
  let ordered = 0;
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 2]! >= data[at]! && data[at + 3]! >= data[at + 1]!) ordered++;
  }
  return ordered >= 0.95 * (data.length / 4);
}

function readListed({ data }: BoxOutput, minScore: number): Box[] {
  return Array.from({ length: data.length / 6 }, (_, row) =>
    cornersAt(data, 6 * row, data[6 * row + 4]!, data[6 * row + 5]!),
  )
    .filter(({ score }) => score >= minScore)
    .toSorted((a, b) => b.score - a.score);
}

function readLabelled({ data }: BoxOutput, scores: BoxOutput, labels: BoxOutput, minScore: number): Box[] {
  return Array.from({ length: data.length / 4 }, (_, row) =>
    cornersAt(data, 4 * row, scores.data[row]!, labels.data[row]!),
  )
    .filter(({ score }) => score >= minScore)
    .toSorted((a, b) => b.score - a.score);
}

function cornersAt(data: ArrayLike<number>, at: number, score: number, label: number): Box {
  return { left: data[at]!, top: data[at + 1]!, right: data[at + 2]!, bottom: data[at + 3]!, score, label };
}

function centred(x: number, y: number, width: number, height: number, score: number, label: number): Box {
  return { left: x - width / 2, top: y - height / 2, right: x + width / 2, bottom: y + height / 2, score, label };
}

/** Offset, in steps, of the greatest of `count` values. */
function greatest(data: ArrayLike<number>, start: number, count: number, step: number): number {
  let best = 0;
  for (let index = 1; index < count; index++) {
    if (data[start + index * step]! > data[start + best * step]!) best = index;
  }
  return best;
}
