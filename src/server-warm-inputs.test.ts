import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HotpathError } from './core/errors.ts';
import { encodeNamedTensors, namesHeader } from './core/predictions/named-tensors.ts';
import type { InferCall, ModelView } from './core/types.ts';
import { readWarmInputs, type WarmInputsDeps } from './server-warm-inputs.ts';

const view: ModelView = {
  name: 'iris',
  version: '2',
  signature: {
    inputs: [{ name: 'features', datatype: 'float32', shape: [-1, 2] }],
    outputs: [{ name: 'label', datatype: 'int64', shape: [-1] }],
    skippedOutputs: [],
  },
  batchable: true,
  labels: undefined,
  nan: 'reject',
};
const target = { model: 'iris', version: '2' };

function depsFor(files: Record<string, string>, logged?: readonly (readonly number[])[]) {
  const asked: unknown[] = [];
  const deps: WarmInputsDeps = {
    source: {
      readFile: async (model, path) => {
        const text = files[`${model}/${path}`];
        if (text === undefined) throw new HotpathError('MODEL_FAILED', `The file "${path}" is absent.`);
        return new TextEncoder().encode(text);
      },
    },
    predictions: async () =>
      logged === undefined
        ? undefined
        : {
            frequentInputs: async (...given) => {
              asked.push(given);
              return logged.map((values) => ({
                inputs: encodeNamedTensors(namesHeader(view.signature.inputs), [
                  { datatype: 'float32', shape: [1, 2], data: Float32Array.from(values) },
                ]),
                count: 1,
              }));
            },
            list: async () => [],
          },
    unixMs: () => 10 * 3_600_000,
    limits: { maxDims: 16, maxInputs: 256, maxJsonDepth: 100, maxJsonBytes: 200 },
  };
  return { deps, asked };
}

const values = (call: InferCall) => call.decode(view).map(({ data }) => Array.from(data as Float32Array));

describe('readWarmInputs', () => {
  it('reads each line as the native API reads a body, whichever of its forms it has', async () => {
    const lines = [
      '\uFEFF{"features": [1, 2]}',
      '',
      '{"instances": [[1, 2], [3, 4]], "model": "iris"}\r',
      ' \t',
      '{"inputs": {"features": [[5, 6]]}, "outputs": ["label"]}',
    ];
    const { deps } = depsFor({ 'iris/warm/lines.jsonl': lines.join('\n') });
    const { items, total } = await readWarmInputs(deps, target, { file: 'warm/lines.jsonl' });
    const read = [...items];
    assert.deepEqual([total, read.map(({ name }) => name)], [3, ['line 1', 'line 3', 'line 5']]);
    const calls = read.map(({ makeCall }) => makeCall());
    assert.deepEqual(calls.map(values), [[[1, 2]], [[1, 2, 3, 4]], [[5, 6]]]);
    assert.deepEqual(
      calls.map(({ model, version, outputs }) => [model, version, outputs]),
      [
        ['iris', '2', undefined],
        ['iris', '2', undefined],
        ['iris', '2', ['label']],
      ],
    );
    assert.deepEqual(values(read[0]!.makeCall()), [[1, 2]], 'a second try reads it again');
  });

  it('says of a wrong line what a client would have been told', async () => {
    const { deps } = depsFor({
      'iris/lines': [
        '{"features": ',
        '{"feature": [1, 2]}',
        '{"features": [1, 2], "model": "other"}',
        `${' '.repeat(199)}{}`,
      ].join('\n'),
    });
    const { items, total } = await readWarmInputs(deps, target, { file: 'lines' });
    const codes = [...items].map(({ makeCall }) => {
      try {
        makeCall();
        return 'none';
      } catch (error) {
        const { code, details } = error as HotpathError;
        return `${code} ${details?.field}`;
      }
    });
    assert.equal(total, 4);
    assert.deepEqual(codes, [
      'INVALID_INPUT body',
      'INVALID_INPUT feature',
      'INVALID_INPUT model',
      'PAYLOAD_TOO_LARGE undefined',
    ]);
  });

  it('takes a file whole unless told otherwise, and of the log a thousand', async () => {
    const { deps, asked } = depsFor({ 'iris/lines': '{"features": [1, 2]}\n'.repeat(1500) }, [[7, 8]]);
    const whole = await readWarmInputs(deps, target, { file: 'lines', hours: 2 });
    assert.deepEqual([whole.total, [...whole.items].length], [1501, 1501]);
    const some = await readWarmInputs(deps, target, { file: 'lines', hours: 2, top: 5 });
    const taken = [...some.items];
    assert.deepEqual([some.total, taken.length, taken.at(-1)!.name], [6, 6, 'frequent input 1']);
    assert.deepEqual(values(taken.at(-1)!.makeCall()), [[7, 8]]);
    const from = 8 * 3_600_000;
    assert.deepEqual(asked, [
      ['iris', '2', from, 1000],
      ['iris', '2', from, 5],
    ]);
  });

  it('names the field when the file is absent or elsewhere, or when nothing is logged', async () => {
    const { deps } = depsFor({ 'other/lines': '{}' });
    for (const file of ['gone.jsonl', '../other/lines', '/etc/passwd', 'a/../../x', 'a\\..\\x']) {
      await assert.rejects(readWarmInputs(deps, target, { file }), (error: HotpathError) => {
        return error.code === 'INVALID_INPUT' && error.details?.field === 'file';
      });
    }
    await assert.rejects(readWarmInputs(deps, target, { hours: 1 }), {
      code: 'INVALID_INPUT',
      message: /predictionLog/,
    });
  });
});
