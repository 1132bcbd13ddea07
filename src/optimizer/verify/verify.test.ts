import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Tensor, TensorSpec } from '../../core/tensor.ts';
import { encodeModel } from '../../onnx-file/encode.ts';
import { makeModel, makeNode, makeTensor, makeValueInfo } from '../../onnx-file/model.ts';
import { bindArrays } from '../data/bind-arrays.ts';
import { graphFromBytes } from '../graph/load.ts';
import type { OpenModel } from '../pass.ts';
import { BoxMeter } from './box-meter.ts';
import { proveFusion } from './fusion-proof.ts';
import { judge } from './gate.ts';
import { LabelMeter, labelOutput } from './label-meter.ts';
import { bestDb, OutputMeter } from './output-meter.ts';
import { RowwiseRunner } from './rowwise-runner.ts';
import { compareVariant, makeReference } from './verify.ts';

const floats = (shape: readonly number[], ...data: number[]): Tensor => ({
  datatype: 'float32',
  shape,
  data: Float32Array.from(data),
});

function differenceOf(original: Tensor, variant: Tensor) {
  const meter = new OutputMeter('y');
  meter.add(original, variant);
  return meter.result();
}

describe('the difference of an output', () => {
  it('is nothing for equal answers', () => {
    const { sqnrDb, cosine, maxError, unexplained } = differenceOf(floats([1, 3], 1, 2, 3), floats([1, 3], 1, 2, 3));
    assert.equal(sqnrDb, bestDb);
    assert.deepEqual([maxError, unexplained], [0, 0]);
    assert.ok(Math.abs(cosine - 1) < 1e-12);
  });

  it('is counted in decibels of signal over error', () => {
    // Signal 4 x 100, error 4 x 1: 20 dB.
    const { sqnrDb, maxError, meanError } = differenceOf(
      floats([2, 2], 10, -10, 10, -10),
      floats([2, 2], 11, -9, 9, -11),
    );
    assert.ok(Math.abs(sqnrDb - 20) < 1e-9);
    assert.deepEqual([maxError, meanError], [1, 1]);
  });

  it('weighs columns of different scale alike where rows of things lie in the output', () => {
    // A coordinate that is right and a score that is always half: half of the columns is lost, though the score is tiny.
    const original = floats([1, 4, 2], 100, 0.1, 200, 0.2, 300, 0.1, 400, 0.2);
    const variant = floats([1, 4, 2], 100, 0.2, 200, 0.1, 300, 0.2, 400, 0.1);
    assert.ok(differenceOf(original, variant).unexplained > 0.49);
    assert.ok(differenceOf(original, variant).sqnrDb > 60);
  });

  it('counts what is not finite, and another shape, as wholly lost', () => {
    assert.equal(differenceOf(floats([2], 1, 2), floats([2], 1, Number.NaN)).notFinite, 1);
    assert.equal(differenceOf(floats([2], 1, 2), floats([2], 1, Number.NaN)).unexplained, 1);
    assert.equal(differenceOf(floats([2], 1, 2), floats([3], 1, 2, 3)).notFinite, 2);
  });
});

describe('the difference of classes', () => {
  it('tells agreement, accuracy, and which classes changed', () => {
    const meter = new LabelMeter('scores');
    const original = floats([4, 2], 1, 0, 1, 0, 0, 1, 0, 1);
    const variant = floats([4, 2], 1, 0, 0, 1, 0, 1, 0, 1);
    meter.add(original, variant, ['0', '0', '1', '0']);
    const { agreement, accuracy, classes } = meter.result();
    assert.equal(agreement, 0.75);
    assert.deepEqual(accuracy, { original: 0.75, variant: 0.5 });
    assert.deepEqual(
      classes.toSorted((a, b) => a.label.localeCompare(b.label)),
      [
        { label: '0', original: 2, variant: 1, lost: 1, gained: 0 },
        { label: '1', original: 2, variant: 3, lost: 0, gained: 1 },
      ],
    );
  });

  it('is found in a label output before scores, and not in boxes', () => {
    const label: TensorSpec = { name: 'label', datatype: 'int64', shape: [-1] };
    const scores: TensorSpec = { name: 'scores', datatype: 'float32', shape: [-1, 3] };
    assert.equal(labelOutput([scores, label]), label);
    assert.equal(labelOutput([scores]), scores);
    const pooled: TensorSpec = { name: 'pooled', datatype: 'float16', shape: [1, 1000, 1, 1] };
    assert.equal(labelOutput([pooled]), pooled);
    assert.equal(labelOutput([{ name: 'boxes', datatype: 'float32', shape: [1, 100, 85] }]), undefined);
    assert.equal(labelOutput([{ name: 'price', datatype: 'float32', shape: [-1, 1] }]), undefined);
  });
});

/** A picture of 32 x 32 in YOLOv8's layout with two classes; each box is centre, size, scores. */
function detections(...boxes: readonly (readonly number[])[]): Tensor {
  const data = new Float32Array(6 * 21);
  for (const [cell, values] of boxes.entries()) {
    for (const [row, value] of values.entries()) data[21 * row + cell] = value;
  }
  return { datatype: 'float32', shape: [1, 6, 21], data };
}

describe('the difference of boxes', () => {
  const head = { layout: 'yolov8', boxes: 'y', size: { height: 32, width: 32 } } as const;
  const compare = (original: Tensor, variant: Tensor) => {
    const meter = new BoxMeter(head);
    meter.add({ y: original }, { y: variant }, 1);
    return meter.result();
  };
  const cat = [10, 10, 8, 8, 0.9, 0];
  const dog = [24, 24, 8, 8, 0, 0.8];

  it('is nothing for the same boxes, and for those that moved a little', () => {
    assert.equal(compare(detections(cat, dog), detections(dog, cat)).agreement, 1);
    const { kept, overlap, agreement } = compare(detections(cat), detections([10.2, 10, 8, 8, 0.7, 0]));
    assert.deepEqual([kept, agreement], [1, 1]);
    assert.ok(Math.abs(overlap - 7.8 / 8.2) < 1e-6);
  });

  it('counts boxes that are lost, moved, of another class, or new', () => {
    const { boxes, kept, invented, agreement } = compare(
      detections(cat, dog),
      detections([12, 10, 8, 8, 0.9, 0], [24, 24, 8, 8, 0.8, 0]),
    );
    assert.deepEqual([boxes, kept, invented, agreement], [2, 0, 2, 0]);
    assert.equal(compare(detections(cat), detections()).agreement, 0);
    assert.equal(compare(detections(), detections()).agreement, 1);
  });

  it('does not count a score that crosses the threshold by a hair', () => {
    const faint = (score: number) => detections([10, 10, 8, 8, score, 0]);
    assert.equal(compare(faint(0.41), faint(0.39)).agreement, 1);
    assert.equal(compare(faint(0.39), faint(0.41)).agreement, 1);
    assert.equal(compare(faint(0.41), faint(0.2)).agreement, 0);
  });

  it('decides on detectors that find something, and on nothing else', async () => {
    const spec = { name: 'y', datatype: 'float32', shape: [1, 6, 21] } as const;
    const detector = (answer: Tensor): OpenModel => ({
      inputs: [{ name: 'x', datatype: 'float32', shape: [1, 3, 32, 32] }],
      outputs: [spec],
      run: async () => ({ y: answer }),
      close: async () => {},
    });
    const rows = bindArrays([{ name: 'x', datatype: 'float32', shape: [1, 3, 32, 32] }], {
      x: { datatype: 'float32', shape: [1, 3, 32, 32], data: new Float32Array(3 * 32 * 32) },
    });
    const reference = await makeReference(detector(detections(cat, dog)), rows);
    assert.equal(reference.task, 'detection');
    const verdict = async (answer: Tensor) => judge(await compareVariant(reference, detector(answer)), 0.01);
    assert.equal((await verdict(detections(cat, dog))).passed, true);
    assert.match(
      (await verdict(detections(cat))).reason,
      /Keeps 1 of 2 boxes in 1 pictures .* invents 0; at most 1\.0 %/,
    );
    const blind = await makeReference(detector(detections()), rows);
    assert.equal(blind.task, 'regression');
    assert.match(blind.notes[0]!, /finds nothing/);
    await assert.rejects(makeReference(timesModel(1, scores), data, { task: 'detection' }), /boxes of no detector/);
  });
});

describe('classes with names', () => {
  it('are compared by name where the model says names', async () => {
    const named = (...answers: string[]): OpenModel => ({
      inputs: [{ name: 'x', datatype: 'float32', shape: [-1, 1] }],
      outputs: [{ name: 'label', datatype: 'string', shape: [-1] }],
      run: async () => ({ label: { datatype: 'string', shape: [answers.length], data: answers } }),
      close: async () => {},
    });
    const rows = bindArrays(
      [{ name: 'x', datatype: 'float32', shape: [-1, 1] }],
      { x: floats([3, 1], 1, 2, 3) },
      [1, 0, 1],
    );
    const reference = await makeReference(named('dog', 'cat', 'cat'), rows, { classNames: ['cat', 'dog'] });
    const { labels } = await compareVariant(reference, named('dog', 'dog', 'cat'));
    assert.deepEqual(labels?.accuracy, { original: 2 / 3, variant: 1 / 3 });
  });
});

/** `y = factor * x` without a runtime, for rows of 2. */
function timesModel(factor: number, outputs: readonly TensorSpec[]): OpenModel & { readonly batches: number[] } {
  const batches: number[] = [];
  return {
    batches,
    inputs: [{ name: 'x', datatype: 'float32', shape: [-1, 2] }],
    outputs,
    run: async ({ x }) => {
      batches.push(x!.shape[0]!);
      return { y: { ...x!, data: (x!.data as Float32Array<ArrayBuffer>).map((value) => value * factor) } };
    },
    close: async () => {},
  };
}

const scores: readonly TensorSpec[] = [{ name: 'y', datatype: 'float32', shape: [-1, 2] }];
const count = 70;
const data = bindArrays(
  [{ name: 'x', datatype: 'float32', shape: [-1, 2] }],
  { x: floats([count, 2], ...Array.from({ length: 2 * count }, (_, index) => Math.sin(index * index))) },
  Array.from({ length: count }, () => 0),
);

describe('the gate', () => {
  it('lets pass what answers the same and refuses what answers the opposite, by accuracy', async () => {
    const reference = await makeReference(timesModel(1, scores), data);
    assert.equal(reference.task, 'classification');
    const [same, opposite] = [
      await compareVariant(reference, timesModel(1.01, scores)),
      await compareVariant(reference, timesModel(-1, scores)),
    ];
    assert.equal(judge(same, 0.01).passed, true);
    const { original } = opposite.labels!.accuracy!;
    assert.equal(judge(opposite, 0.01).passed, original <= 0.505);
    assert.equal(opposite.labels?.agreement, 0);
  });

  it('judges numbers by the variance they miss', async () => {
    const reference = await makeReference(timesModel(1, scores), data, { task: 'regression' });
    const verdict = async (factor: number) =>
      judge(await compareVariant(reference, timesModel(factor, scores)), 0.01).passed;
    // An error of 5 % of the value is 0.25 % of the variance, one of 20 % is 4 %.
    assert.deepEqual([await verdict(0.95), await verdict(0.8)], [true, false]);
  });

  it('refuses a variant whose layers the runtime did not fuse', async () => {
    const reference = await makeReference(timesModel(1, scores), data);
    const same = await compareVariant(reference, timesModel(1, scores));
    const proof = { proven: false, problems: ['The runtime fused 1 of 2 QGemm.'], operators: {} };
    assert.deepEqual(judge(same, 1, proof), { passed: false, reason: 'The runtime fused 1 of 2 QGemm.' });
  });

  it('refuses a variant that has lost an output', async () => {
    const reference = await makeReference(timesModel(1, scores), data);
    const lost = { ...timesModel(1, scores), run: async () => ({}) };
    await assert.rejects(compareVariant(reference, lost), /has lost the output "y"/);
  });
});

describe('the proof of fusion', () => {
  const weight = makeTensor('w', 'int8', [2, 2], Int8Array.of(1, 2, 3, 4));
  const scale = makeTensor('s', 'float32', [], Float32Array.of(0.1));
  const graph = graphFromBytes(
    encodeModel(
      makeModel({
        opsets: [{ domain: '', version: 13 }],
        graph: {
          name: 'g',
          nodes: [makeNode('DequantizeLinear', ['w', 's'], ['wf']), makeNode('MatMul', ['x', 'wf'], ['y'])],
          initializers: [weight, scale],
          inputs: [makeValueInfo('x', 'float32', ['n', 2])],
          outputs: [makeValueInfo('y', 'float32', ['n', 2])],
        },
      }),
    ),
  );

  it('names weights that are dequantized on every run, and missing operators', () => {
    const { proven, problems, operators } = proveFusion(graph, { QGemm: 1, MatMul: 1 });
    assert.equal(proven, false);
    assert.match(problems.join(' '), /fused 0 of 1 QGemm\. 1 weights are dequantized on every run: "w"/);
    assert.deepEqual(operators, { DequantizeLinear: 1, MatMul: 1 });
  });
});

describe('the row by row runner', () => {
  it('runs a model of one row on many and joins the answers', async () => {
    const inner = timesModel(2, scores);
    const fixed = { ...inner, inputs: [{ name: 'x', datatype: 'float32', shape: [1, 2] }] as const };
    const model = await new RowwiseRunner({ open: async () => fixed }).open('');
    const { y } = await model.run({ x: floats([3, 2], 1, 2, 3, 4, 5, 6) });
    assert.deepEqual(
      [y?.shape, [...(y!.data as Float32Array)]],
      [
        [3, 2],
        [2, 4, 6, 8, 10, 12],
      ],
    );
    assert.deepEqual(inner.batches, [1, 1, 1]);
  });
});
