/** Folders of pictures through `optimize`: a detector that must keep its boxes, and a classifier with a folder per class. */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { run } from '../../src/cli/optimize.ts';
import { createStyle } from '../../src/cli/terminal.ts';
import { loadData } from '../../src/optimizer/data/load-data.ts';
import type { OptimizeResult } from '../../src/optimizer/plan/result.ts';
import { boxesOf } from '../../src/optimizer/verify/box-meter.ts';
import { findBoxHead } from '../../src/vision/box-head.ts';
import { parseImageRecipe } from '../../src/vision/image-recipe.ts';
import { fixture, withoutFixtures } from '../e2e/support/fixtures.ts';
import { testRunner } from './support/optimizer-runner.ts';

const folder = mkdtempSync(join(tmpdir(), 'hotpath-optimize-pictures-'));
after(() => rmSync(folder, { recursive: true, force: true }));

async function optimize(...args: string[]): Promise<{ code: number; result: OptimizeResult; text: string }> {
  const [out, err]: [string[], string[]] = [[], []];
  const push = (list: string[]) => (text: string) => void list.push(text);
  const terminal = { out: push(out), err: push(err), style: createStyle(false) };
  const code = await run([...args, '--json', '--seconds', '0.2'], { terminal, env: {} });
  return { code, text: err.join('\n'), result: JSON.parse(out.join('\n') || '{}') };
}

const yolox = fixture('detect/yolox_nano/yolox_nano.onnx');
const photos = fixture('detect/coco_val2017');

describe('pictures as data of optimize', { skip: withoutFixtures }, () => {
  it('are read as the detector wants them: it finds what is in them', async () => {
    const model = await testRunner.open(yolox);
    const { rows } = await loadData(model.inputs, { path: photos, image: { recipe: parseImageRecipe('yolox') } });
    const head = findBoxHead(model.outputs, { height: 416, width: 416 })!;
    const names = readFileSync(fixture('detect/yolox_nano/coco_classes.txt'), 'utf8').split('\n');
    const found: string[][] = [];
    for (let row = 0; row < rows.rows; row++) {
      const [boxes] = boxesOf(head, await model.run(rows.slice(row, 1)), 1);
      found.push(boxes!.filter(({ score }) => score > 0.725).map(({ label }) => names[label]!));
    }
    await model.close();
    assert.deepEqual(found, [
      ['tvmonitor'],
      ['bear'],
      ['bed', 'pottedplant'],
      ['stop sign'],
      ['teddy bear', 'teddy bear'],
      ['person', 'skis'],
      ['refrigerator'],
      ['person', 'person'],
      ['person', 'person', 'tennis racket'],
    ]);
  });

  it('show that half of the file keeps the boxes, and 8 bits in all layers do not, which is refused', async () => {
    const out = join(folder, 'yolox');
    const args = ['--data', photos, '--image', 'yolox', '--passes', 'static-int8,fp16-weights', '--target', 'size'];
    const { code, result } = await optimize(yolox, ...args, '--out', out);
    assert.equal(code, 0);
    assert.deepEqual([result.task, result.chosen], ['detection', 'fp16-weights']);
    const [, int8, half] = result.variants;
    assert.equal(int8!.state, 'refused');
    assert.match(int8!.verdict.reason, /^Keeps \d+ of \d+ boxes in 3 pictures/);
    const { boxes, kept, invented, overlap } = half!.difference!.boxes!;
    assert.deepEqual([half!.state, kept, invented], ['passed', boxes, 0]);
    assert.ok(boxes > 2 && overlap > 0.98, `${boxes} boxes, overlap ${overlap}`);
    assert.ok(existsSync(join(out, 'yolox_nano/1/model.onnx')));
  });

  it('in a folder per class give the accuracy', async () => {
    const classes = join(folder, 'classes');
    for (const [name, file] of [
      ['tabby', 'kitten_224.png'],
      ['hummingbird', 'hummingbird.jpg'],
    ] as const) {
      mkdirSync(join(classes, name), { recursive: true });
      // Often enough that both are in either half of the split.
      for (let copy = 0; copy < 12; copy++) {
        copyFileSync(fixture(`classify/winml_media/${file}`), join(classes, name, `${copy}-${file}`));
      }
    }
    const squeezenet = fixture('classify/squeezenet_fp16/SqueezeNet_fp16.onnx');
    const names = ['--class-names', fixture('classify/labels/synset.txt')];
    const data = ['--data', classes, '--image', 'raw,bgr,fit=cover', '--passes', 'offline'];
    const { result } = await optimize(squeezenet, ...data, ...names, '--out', join(folder, 'squeezenet'));
    assert.deepEqual(result.data.labelled, true);
    assert.deepEqual(result.variants[1]!.difference!.labels!.accuracy, { original: 1, variant: 1 });
    const wrong = await optimize(squeezenet, ...data, '--class-names', join(folder, 'absent.txt')).catch(String);
    assert.match(String(wrong), /class names in absent\.txt cannot be read \(ENOENT\)/);
  });
});
