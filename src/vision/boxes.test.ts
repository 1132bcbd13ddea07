import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { TensorSpec } from '../core/tensor.ts';
import { type BoxHead, findBoxHead } from './box-head.ts';
import { type Box, overlap, suppress } from './boxes.ts';
import { decodeBoxes } from './decode-boxes.ts';

const box = (left: number, top: number, right: number, bottom: number, score = 1, label = 0): Box => {
  return { left, top, right, bottom, score, label };
};
const size = { height: 64, width: 32 };
/** 4 x 8, 2 x 4 and 1 x 2 cells. */
const cells = 42;
const float32 = (name: string, ...shape: number[]): TensorSpec => ({ name, datatype: 'float32', shape });

describe('the overlap of boxes', () => {
  it('is the shared area over the joint one', () => {
    assert.equal(overlap(box(0, 0, 2, 2), box(1, 0, 3, 2)), 2 / 6);
    assert.equal(overlap(box(0, 0, 2, 2), box(2, 2, 3, 3)), 0);
    assert.equal(overlap(box(1, 1, 1, 5), box(1, 1, 1, 5)), 0);
  });

  it('is symmetric, at most 1, and 1 only for the same box', () => {
    const side = fc.integer({ min: 0, max: 20 });
    const any = fc.tuple(side, side, fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }));
    fc.assert(
      fc.property(any, any, (a, b) => {
        const [one, other] = [a, b].map(([x, y, w, h]) => box(x, y, x + w, y + h)) as [Box, Box];
        assert.equal(overlap(one, other), overlap(other, one));
        assert.equal(overlap(one, other) === 1, a.join() === b.join());
        assert.equal(overlap(one, one), 1);
      }),
    );
  });

  it('leaves of several boxes around one thing the best, class by class', () => {
    const boxes = [box(0, 0, 10, 10, 0.5), box(1, 0, 11, 10, 0.9), box(0, 0, 10, 10, 0.4, 1), box(20, 0, 30, 10, 0.3)];
    assert.deepEqual(
      suppress(boxes, 0.45).map(({ score }) => score),
      [0.9, 0.4, 0.3],
    );
  });
});

describe('the outputs of a detector', () => {
  it('are recognized by their shapes', () => {
    const layout = (...outputs: TensorSpec[]) => findBoxHead(outputs, size)?.layout;
    assert.equal(layout(float32('o', 1, cells, 7)), 'yolox');
    assert.equal(layout(float32('o', 1, 3 * cells, 7)), 'yolov5');
    assert.equal(layout(float32('o', -1, 6, cells)), 'yolov8');
    assert.equal(layout(float32('o', 1, 300, 6)), 'listed');
    assert.equal(layout(float32('scores', 1, 50, 2), float32('boxes', 1, 50, 4)), 'scored');
    const labels = { name: 'labels', datatype: 'int64', shape: [-1] } as const;
    assert.equal(layout(float32('boxes', -1, 4), labels, float32('scores', -1)), 'labelled');
  });

  it('are not seen in other models', () => {
    assert.equal(findBoxHead([float32('scores', -1, 1000)], size), undefined);
    assert.equal(findBoxHead([float32('hidden', 1, 77, 768)], size), undefined);
    assert.equal(findBoxHead([float32('a', 1, 8, 4)], size), undefined);
  });

  const decode = (layout: BoxHead['layout'], boxes: { data: number[]; shape: number[] }, more = {}) =>
    decodeBoxes({ layout, boxes: 'boxes', scores: 'scores', labels: 'labels', size }, { boxes, ...more });

  it('of YOLOX are relative to their cell', () => {
    const data = new Array(cells * 7).fill(0);
    // The third cell of the second row of stride 16, which follows the 32 cells of stride 8.
    const row = 32 + 2 + 1;
    data.splice(row * 7, 7, 0.5, 0.25, Math.log(2), Math.log(1), 0.9, 0.1, 0.8);
    const [found, ...more] = decode('yolox', { data, shape: [cells, 7] });
    assert.equal(more.length, 0);
    // Two columns: cell 3 is row 1, column 1.
    const { left, top, right, bottom, score, label } = found!;
    assert.deepEqual([left, right, top, bottom, label], [24 - 16, 24 + 16, 20 - 8, 20 + 8, 1]);
    assert.ok(Math.abs(score - 0.72) < 1e-9);
  });

  it('of YOLOv5 and v8 are in pixels, by rows and by columns', () => {
    const rows = decode('yolov5', { data: [10, 20, 4, 8, 0.9, 0.2, 0.9, 1, 1, 1, 1, 0.1, 1, 1], shape: [2, 7] });
    assert.deepEqual(rows, [{ ...box(8, 16, 12, 24, 0.81, 1), score: 0.9 * 0.9 }]);
    const columns = decode('yolov8', { data: [10, 1, 20, 1, 4, 1, 8, 1, 0.2, 0.1, 0.9, 0.2], shape: [6, 2] });
    assert.deepEqual(columns, [box(8, 16, 12, 24, 0.9, 1)]);
  });

  it('with scores apart have a background, and corners or centres', () => {
    const scores = { data: [0.1, 0.9, 0.8, 0.2], shape: [2, 2] };
    const corners = { data: [0, 0, 0.5, 0.5, 0.2, 0.2, 0.4, 0.4], shape: [2, 4] };
    assert.deepEqual(decode('scored', corners, { scores }), [box(0, 0, 0.5, 0.5, 0.9, 1)]);
    const centres = { data: [0.5, 0.5, 0.25, 0.25, 0.75, 0.75, 0.25, 0.25], shape: [2, 4] };
    assert.deepEqual(decode('scored', centres, { scores }), [box(0.375, 0.375, 0.625, 0.625, 0.9, 1)]);
  });

  it('that were suppressed in the model are taken as they are', () => {
    const listed = { data: [0, 0, 4, 4, 0.4, 2, 0, 0, 4, 4, 0.9, 2, 1, 1, 2, 2, 0.1, 0], shape: [3, 6] };
    assert.deepEqual(decode('listed', listed), [box(0, 0, 4, 4, 0.9, 2), box(0, 0, 4, 4, 0.4, 2)]);
    const boxes = { data: [0, 0, 4, 4, 1, 1, 2, 2], shape: [2, 4] };
    const more = { scores: { data: [0.2, 0.7], shape: [2] }, labels: { data: [5, 6], shape: [2] } };
    assert.deepEqual(decode('labelled', boxes, more), [box(1, 1, 2, 2, 0.7, 6)]);
  });

  it('of scores that are not numbers hold nothing', () => {
    assert.deepEqual(decode('yolov5', { data: new Array(7).fill(Number.NaN), shape: [1, 7] }), []);
  });
});
