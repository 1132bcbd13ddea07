/**
 * Boxes around things in a picture: their overlap, and which of many for the same thing to keep. Called by decode-boxes.ts and by whoever
 * compares detections. Pure.
 */

export interface Box {
  /** In whatever unit the model uses; x to the right, y down. */
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly score: number;
  /** Class index. */
  readonly label: number;
}

/** Area of the intersection over that of the union (Jaccard index), 0 to 1; 0 for boxes without area. */
export function overlap(one: Box, other: Box): number {
  const width = Math.min(one.right, other.right) - Math.max(one.left, other.left);
  const height = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
  if (!(width > 0 && height > 0)) return 0;
  const both = width * height;
  return both / (areaOf(one) + areaOf(other) - both);
}

function areaOf({ left, top, right, bottom }: Box): number {
  return (right - left) * (bottom - top);
}

/**
 * Non-maximum suppression per class: of boxes that overlap by more than `threshold`, the one with the best score. Best first.
 * @param threshold the usual value is 0.45
 */
export function suppress(boxes: readonly Box[], threshold: number): Box[] {
  const kept: Box[] = [];
  for (const box of boxes.toSorted((a, b) => b.score - a.score)) {
    if (!kept.some((better) => better.label === box.label && overlap(better, box) > threshold)) kept.push(box);
  }
  return kept;
}
