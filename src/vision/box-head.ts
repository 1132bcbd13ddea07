/**
 * How the usual detectors write their boxes, recognized by the shapes of their outputs. Called by whoever has to understand a detector
 * that says nothing of itself. Pure.
 */
import type { TensorSpec } from '../core/tensor.ts';
import type { ImageSize } from './image-input.ts';

/**
 * - `yolox`: [batch, cells, 5 + classes]; centre, size, object score and class scores per cell of the grids of strides 8, 16, 32; centre
 *   relative to the cell, size as logarithm (https://arxiv.org/abs/2107.08430)
 * - `yolov5`: the same in pixels, three boxes per cell
 * - `yolov8`: [batch, 4 + classes, cells]; in pixels, without object score
 * - `listed`: [batch, boxes, 6]; corners, score, class, already suppressed
 * - `scored`: boxes [batch, n, 4] and scores [batch, n, classes], class 0 being the background of two or more
 * - `labelled`: boxes [n, 4], labels [n] and scores [n], with or without a batch axis of 1, already suppressed (torchvision)
 */
export type BoxLayout = 'yolox' | 'yolov5' | 'yolov8' | 'listed' | 'scored' | 'labelled';

export interface BoxHead {
  readonly layout: BoxLayout;
  /** Output that holds the boxes, and all else where nothing else is named. */
  readonly boxes: string;
  readonly scores?: string;
  readonly labels?: string;
  /** Of the pictures that the model takes. */
  readonly size: ImageSize;
}

export const gridStrides = [8, 16, 32] as const;

/** @returns undefined for models that are no detectors, or of a kind that is not known */
export function findBoxHead(outputs: readonly TensorSpec[], size: ImageSize): BoxHead | undefined {
  const floats = outputs.filter(({ datatype }) => datatype === 'float32' || datatype === 'float16');
  return oneOutput(floats, size) ?? scoredBoxes(floats, size) ?? labelledBoxes(outputs, size);
}

function oneOutput(floats: readonly TensorSpec[], size: ImageSize): BoxHead | undefined {
  const [output, ...more] = floats.filter(({ shape }) => shape.length === 3);
  // Some exports carry the unjoined grids, of rank 5, beside the answer.
  if (output === undefined || more.length > 0) return undefined;
  const [, rows, columns] = output.shape as [number, number, number];
  const cells = cellsOf(size);
  const head = (layout: BoxLayout): BoxHead => ({ layout, boxes: output.name, size });
  if (columns > 5 && rows === cells) return head('yolox');
  if (columns > 5 && rows === 3 * cells) return head('yolov5');
  if (rows > 4 && columns === cells) return head('yolov8');
  if (columns === 6) return head('listed');
  return undefined;
}

function cellsOf({ height, width }: ImageSize): number {
  return gridStrides.reduce((sum, stride) => sum + Math.ceil(height / stride) * Math.ceil(width / stride), 0);
}

function scoredBoxes(floats: readonly TensorSpec[], size: ImageSize): BoxHead | undefined {
  const boxes = floats.find(({ shape }) => shape.length === 3 && shape[2] === 4);
  const scores = floats.find(({ name, shape }) => name !== boxes?.name && shape.length === 3 && shape[2]! > 1);
  if (boxes === undefined || scores === undefined || boxes.shape[1] !== scores.shape[1]) return undefined;
  return { layout: 'scored', boxes: boxes.name, scores: scores.name, size };
}

/** By rank where it can be told, by name where it cannot: labels may be floats, and there may be a count. */
function labelledBoxes(outputs: readonly TensorSpec[], size: ImageSize): BoxHead | undefined {
  const boxes = outputs.find(({ shape }) => shape.at(-1) === 4 && (shape.length === 2 || shape.length === 3));
  const rank = (boxes?.shape.length ?? 0) - 1;
  const named = (pattern: RegExp) => outputs.find(({ name, shape }) => pattern.test(name) && shape.length === rank);
  const [scores, labels] = [named(/score|conf/i), named(/label|class/i)];
  if (boxes === undefined || scores === undefined || labels === undefined) return undefined;
  return { layout: 'labelled', boxes: boxes.name, scores: scores.name, labels: labels.name, size };
}
