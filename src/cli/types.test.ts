/** The text that `hotpath types` writes, and what it says when it cannot. With a server and a file: test/e2e/client-types.test.ts. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { datatypes, type TensorSpec } from '../core/tensor.ts';
import { renderModelTypes, type TypedModel } from './model-types-text.ts';
import { runCli } from './run-cli.ts';
import { createTerminal } from './terminal.ts';

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'hotpath-types-'));
after(() => rmSync(folder, { recursive: true }));

async function cli(...args: readonly string[]) {
  let out = '';
  let err = '';
  const stdout = { write: (text: string) => (out += text) };
  const stderr = { write: (text: string) => (err += text) };
  const code = await runCli(['types', ...args], { terminal: createTerminal({ stdout, stderr }, {}), env: {} });
  return { code, out, err };
}

const tensor = (name: string, datatype: TensorSpec['datatype'], ...shape: number[]): TensorSpec => ({
  name,
  datatype,
  shape,
});

const iris: TypedModel = {
  name: 'iris',
  inputs: [tensor('features', 'float32', -1, 4)],
  outputs: [tensor('label', 'int64', -1), tensor('probabilities', 'float32', -1, 3)],
};

const strange: TypedModel = {
  name: 'a-b',
  inputs: [],
  outputs: [
    tensor(`input:0`, 'string'),
    tensor(`it's`, 'uint8', 1),
    tensor('"both\'', 'bool', 1),
    tensor('back\\slash\n', 'int8', 1),
    tensor('long'.repeat(22), 'float16', -1, -1, -1),
    tensor('wide', 'float64', ...Array.from({ length: 16 }, () => 123_456)),
  ],
};

describe('the interface of models', () => {
  it('has models by name, tensors in their order, and says how to write it anew', () => {
    assert.equal(
      renderModelTypes([iris, { name: 'empty', inputs: [], outputs: [] }], 'http://127.0.0.1:8000', 'hotpath types x'),
      `/**
 * The models of http://127.0.0.1:8000 as types for createClient<Models>(). Do not edit; write it anew with
 *
 *   hotpath types x
 */
export interface Models {
  empty: {
    inputs: {};
    outputs: {};
  };
  iris: {
    inputs: {
      features: { datatype: 'float32'; shape: [number, 4] };
    };
    outputs: {
      label: { datatype: 'int64'; shape: [number] };
      probabilities: { datatype: 'float32'; shape: [number, 3] };
    };
  };
}
`,
    );
  });

  it('is laid out as the formatter would, whatever the names', () => {
    const text = renderModelTypes([strange, iris], 'models/*/model.onnx', "hotpath types a-b --out 'x y.ts'");
    const path = join(folder, 'formatted.ts');
    writeFileSync(path, text);
    const options = ['--config-path', root, '--stdin-file-path', 'models.ts'];
    const formatted = execFileSync(join(root, 'node_modules/.bin/biome'), ['format', ...options], { input: text });
    assert.equal(String(formatted), text);
  });

  it('holds every name exactly, so that it is a literal of the same text', () => {
    const specs = fc.record({
      name: fc.array(fc.nat(0xffff), { maxLength: 12 }).map((units) => String.fromCharCode(...units)),
      datatype: fc.constantFrom(...datatypes),
      shape: fc.array(fc.integer({ min: -1, max: 5 }), { maxLength: 3 }),
    });
    fc.assert(
      fc.property(specs, (spec) => {
        const text = renderModelTypes([{ name: 'm', inputs: [spec], outputs: [] }], 'x*/y', 'c*/d');
        const head = text.slice(0, text.indexOf('export interface'));
        assert.equal(head.indexOf('*/'), head.trimEnd().length - 2);
        const [, written] = /inputs: \{\n {6}([\s\S]*): \{ datatype/.exec(text)!;
        const value = /^['"]/.test(written!) ? runInNewContext(written!) : written;
        assert.equal(value, spec.name);
      }),
    );
  });
});

describe('hotpath types', () => {
  it('wants names or --all, and --file for one name', async () => {
    for (const args of [[], ['iris', '--all'], ['a', 'b', '--file', 'x'], ['a', '--file', 'x', '--url', 'http://y']]) {
      const { code, err } = await cli(...args);
      assert.equal(code, 2, args.join(' '));
      assert.match(err, /^hotpath: (Give|With)/);
    }
    assert.equal((await cli('iris', '--ulr', 'x')).code, 2);
  });

  it('says when there is no file, no model in it, or no server', async () => {
    const missing = join(folder, 'missing.onnx');
    assert.deepEqual(await cli('m', '--file', missing), {
      code: 1,
      out: '',
      err: `hotpath: There is no file ${missing}.\n`,
    });
    const { code, err } = await cli('iris', '--url', 'http://127.0.0.1:9');
    assert.equal(code, 1);
    assert.match(err, /^hotpath: http:\/\/127\.0\.0\.1:9: CONNECTION_FAILED: No answer from the server/);
  });
});
