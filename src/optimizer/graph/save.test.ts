import assert from 'node:assert/strict';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { writeFields } from '../../onnx-file/fields.ts';
import { makeNode, makeTensor } from '../../onnx-file/model.ts';
import { fields } from '../../onnx-file/schema.ts';
import { graphFromBytes, loadModel } from './load.ts';
import { saveModel } from './save.ts';
import { bytesOf, float32Tensor, linearGraph } from './testing/small-models.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotpath-save-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const at = (name: string) => join(folder, name);

/** A model whose weight `w` lies where the entries say; the data is 16 bytes of float32. */
function modelWithData(location: string, entries: Record<string, string> = {}): Uint8Array {
  const graph = graphFromBytes(
    bytesOf([makeNode('MatMul', ['x', 'w'], ['y'])], [float32Tensor('w', [2, 2], 0, 0, 0, 0)]),
  );
  const head = graph.initializer('w')!.head();
  const place = writeFields((writer) => {
    for (const [key, value] of Object.entries({ location, ...entries })) {
      writer.message(fields.tensor.externalData, (entry) => {
        entry.string(fields.entry.key, key);
        entry.string(fields.entry.value, value);
      });
    }
    writer.int(fields.tensor.dataLocation, 1);
  });
  const chunks = graph.chunks(() => [head, ...place.map(({ bytes }) => bytes)]);
  return Buffer.concat(chunks as Uint8Array[]);
}

const weights = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);

describe('a saved model', () => {
  it('is the file it was, byte for byte, when nothing was changed', () => {
    const bytes = linearGraph().toBytes();
    writeFileSync(at('a.onnx'), bytes);
    saveModel(loadModel(at('a.onnx')), at('b.onnx'));
    assert.deepEqual(readFileSync(at('b.onnx')), Buffer.from(bytes));
    assert.deepEqual(readdirSync(folder).sort(), ['a.onnx', 'b.onnx']);
  });

  it('never is written over its original, not by another name either', () => {
    writeFileSync(at('a.onnx'), linearGraph().toBytes());
    symlinkSync(at('a.onnx'), at('link.onnx'));
    const graph = loadModel(at('a.onnx'));
    for (const name of ['a.onnx', 'link.onnx']) {
      assert.throws(() => saveModel(graph, at(name)), { code: 'INVALID_INPUT', message: /over its original/ });
    }
  });

  it('leaves nothing behind when its folder is missing or its graph is damaged', () => {
    const graph = linearGraph();
    assert.throws(() => saveModel(graph, at('missing/b.onnx')), { code: 'ENOENT' });
    graph.addInitializer({
      name: 'late',
      datatype: 'float32',
      dims: [512],
      read: () => {
        throw new Error('no data');
      },
    });
    assert.throws(() => saveModel(graph, at('b.onnx')), /no data/);
    assert.throws(() => saveModel(graph, at('b.onnx'), { external: true }), /no data/);
    graph.replaceInput(graph.nodes[0]!, 0, 'nothing');
    assert.throws(() => saveModel(graph, at('b.onnx')), {
      code: 'INVALID_INPUT',
      message: /"nothing" of node "h" \(MatMul\)/,
    });
    assert.deepEqual(readdirSync(folder), []);
  });

  it('keeps big constants in a second file, aligned, and small ones in the first', () => {
    const graph = linearGraph();
    graph.addInitializer(
      makeTensor(
        'big',
        'float32',
        [1000],
        Float32Array.from({ length: 1000 }, (_, i) => i),
      ),
    );
    graph.addInitializer({ name: 'late', datatype: 'int8', dims: [2000], read: () => new Uint8Array(2000).fill(7) });
    const saved = saveModel(graph, at('b.onnx'), { external: true });
    assert.deepEqual(saved, {
      modelBytes: readFileSync(at('b.onnx')).length,
      dataBytes: 4096 + 2000,
      dataFile: 'b.onnx.data',
    });
    const again = loadModel(at('b.onnx'));
    assert.deepEqual(
      again.initializers.map(({ name, storage }) => [name, storage]),
      [
        ['w', 'raw'],
        ['b', 'raw'],
        ['big', 'external'],
        ['late', 'external'],
      ],
    );
    assert.equal(again.floats('big')[999], 999);
    assert.deepEqual(again.initializer('late')!.data(), new Int8Array(2000).fill(7));
  });

  it('takes another name for its data than a file that is there, and brings data back in when asked', () => {
    const graph = linearGraph();
    writeFileSync(at('b.onnx.data'), 'somebody else’s');
    assert.equal(saveModel(graph, at('b.onnx'), { external: true, externalFromBytes: 1 }).dataFile, 'b.onnx.1.data');
    assert.equal(readFileSync(at('b.onnx.data'), 'utf8'), 'somebody else’s');
    const again = loadModel(at('b.onnx'));
    again.rename('w', 'weights');
    assert.equal(saveModel(again, at('c.onnx')).dataFile, 'c.onnx.data');
    assert.equal(saveModel(again, at('d.onnx'), { external: false }).dataFile, undefined);
    for (const name of ['c.onnx', 'd.onnx']) assert.deepEqual([...loadModel(at(name)).floats('weights')], [1, 2, 3, 4]);
  });
});

describe('external data', () => {
  const load = (location: string, entries?: Record<string, string>) => {
    writeFileSync(at('model.onnx'), modelWithData(location, entries));
    return loadModel(at('model.onnx'));
  };

  it('is read from a file or folder beside the model, at its offset', () => {
    mkdirSync(at('data'));
    writeFileSync(at('data/w.bin'), Buffer.concat([new Uint8Array(5), weights]));
    const graph = load('data/w.bin', { offset: '5', length: '16' });
    assert.deepEqual([...graph.floats('w')], [1, 2, 3, 4]);
    assert.deepEqual(
      [...graph.initializer('w')!.pieces(7)].map(({ length }) => length),
      [7, 7, 2],
    );
    truncateSync(at('data/w.bin'), 20);
    assert.throws(() => graph.floats('w'), { code: 'INVALID_INPUT', message: /tensor "w".*shorter/ });
  });

  it('is refused outside of the model’s folder, however it is written', () => {
    const inside = at('model');
    mkdirSync(inside);
    writeFileSync(at('w.bin'), weights);
    symlinkSync(at('w.bin'), join(inside, 'file-link'));
    symlinkSync(folder, join(inside, 'folder-link'));
    linkSync(at('w.bin'), join(inside, 'hard-link'));
    for (const location of [
      '../w.bin',
      at('w.bin'),
      'file-link',
      'folder-link/w.bin',
      'hard-link',
      'a/../../w.bin',
      '',
      'a\0b',
      '..\\w.bin',
      '.',
      'missing',
      'no/folder',
    ]) {
      writeFileSync(join(inside, 'model.onnx'), modelWithData(location));
      assert.throws(
        () => loadModel(join(inside, 'model.onnx')),
        { code: 'INVALID_INPUT', message: /tensor "w"/ },
        location,
      );
    }
  });

  it('is refused when offset or length do not fit the file or the tensor', () => {
    writeFileSync(at('w.bin'), weights);
    for (const entries of [
      { offset: '1' },
      { offset: '-1' },
      { offset: '1e3' },
      { length: '15' },
      { length: '17' },
      { offset: '9007199254740993' },
    ]) {
      assert.throws(
        () => load('w.bin', entries as Record<string, string>),
        { code: 'INVALID_INPUT' },
        JSON.stringify(entries),
      );
    }
  });

  it('is refused for a model that came as bytes', () => {
    assert.throws(() => graphFromBytes(modelWithData('w.bin')), { code: 'INVALID_INPUT', message: /without a folder/ });
    writeFileSync(at('w.bin'), weights);
    assert.deepEqual([...graphFromBytes(modelWithData('w.bin'), { folder }).floats('w')], [1, 2, 3, 4]);
  });
});
