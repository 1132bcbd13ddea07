/** The typed clients against the real server, over REST and gRPC, and `hotpath types` against it and against its model files. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { runCli } from '../../src/cli/run-cli.ts';
import { createTerminal } from '../../src/cli/terminal.ts';
import { createClient, HotpathClientError } from '../../src/client/client.ts';
import { createGrpcClient } from '../../src/client/node-grpc.ts';
import { type Datatype, datatypes, type TensorData } from '../../src/core/tensor.ts';
import { encodeModel } from '../../src/onnx-file/encode.ts';
import { makeModel, makeNode, makeValueInfo } from '../../src/onnx-file/model.ts';
import { storeModel } from '../../src/training/store-model.ts';
import { modelFolder, serve, storeIris, type TestServer } from './support/serve.ts';

/** One input and one output of each datatype, `in_<datatype>` and `out_<datatype>`, `[rows, ?]`. */
function identities(all: readonly Datatype[]): Uint8Array<ArrayBuffer> {
  const info = (prefix: string) => all.map((each) => makeValueInfo(`${prefix}_${each}`, each, ['rows', 'width']));
  const graph = {
    name: 'every',
    nodes: all.map((each) => makeNode('Identity', [`in_${each}`], [`out_${each}`])),
    initializers: [],
    inputs: info('in'),
    outputs: info('out'),
  };
  return encodeModel(makeModel({ graph, opsets: [{ domain: '', version: 16 }] }));
}

/** What is easily lost on the way: ends of ranges, -0, subnormals, NaN, infinities, text of all planes. */
const extremes: Readonly<Record<Datatype, TensorData>> = {
  float32: Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY, -0, 1.401298464324817e-45, 3.4028234663852886e38),
  float64: Float64Array.of(Number.NEGATIVE_INFINITY, -0, 5e-324, Number.MAX_VALUE, 0.1),
  float16: Uint16Array.of(0x0001, 0x8000, 0x7bff, 0x7c00, 0x3c00),
  int8: Int8Array.of(-128, 127, 0, -1, 1),
  int16: Int16Array.of(-32768, 32767, 0, -1, 1),
  int32: Int32Array.of(-2147483648, 2147483647, 0, -1, 1),
  int64: BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n + 1n, -1n, 0n),
  uint8: Uint8Array.of(255, 0, 1, 2, 3),
  uint16: Uint16Array.of(65535, 0, 1, 2, 3),
  uint32: Uint32Array.of(4294967295, 0, 1, 2, 3),
  uint64: BigUint64Array.of(2n ** 64n - 1n, 2n ** 63n, 2n ** 53n + 1n, 1n, 0n),
  bool: Uint8Array.of(1, 0, 1, 1, 0),
  string: ['', 'plain', 'né', '𝛑 "quoted"\\\n', '日本'],
};

const withJsonForm = datatypes.filter((datatype) => datatype !== 'float16');

function inputsOf(all: readonly Datatype[]) {
  return Object.fromEntries(
    all.map((datatype) => [`in_${datatype}`, { datatype, shape: [1, 5], data: extremes[datatype] }]),
  );
}

/** What `hotpath types iris` writes for the model that the example trains. */
interface Models {
  iris: {
    inputs: { features: { datatype: 'float32'; shape: [number, 4] } };
    outputs: {
      label: { datatype: 'int64'; shape: [number] };
      probabilities: { datatype: 'float32'; shape: [number, 3] };
    };
  };
}

const flowers = [
  [5.1, 3.5, 1.4, 0.2],
  [6, 2.7, 5.1, 1.6],
  [6.3, 3.3, 6, 2.5],
] as const;
const features = { shape: [3, 4], data: new Float32Array(flowers.flat()) } as const;

async function types(...args: readonly string[]) {
  let out = '';
  let err = '';
  const stdout = { write: (text: string) => (out += text) };
  const stderr = { write: (text: string) => (err += text) };
  const code = await runCli(['types', ...args], { terminal: createTerminal({ stdout, stderr }, {}), env: {} });
  return { code, out, err };
}

describe('the typed clients and the real server', () => {
  let server: TestServer;
  let irisFile: string;

  before(async () => {
    const models = await modelFolder();
    await storeIris(models);
    await storeModel(models, 'every', '1', identities(datatypes), { nan: 'allow' });
    await storeModel(models, 'json', '1', identities(withJsonForm), { nan: 'allow' });
    await storeModel(models, 'torn', '1', new Uint8Array(100));
    irisFile = join(models, 'iris/1/model.onnx');
    server = await serve(models);
  });

  after(() => server.stop());

  it('predict one row and many with names and probabilities', async () => {
    const client = createClient<Models>({ url: server.url });
    const one = await client.predict(flowers[0], { model: 'iris' });
    assert.deepEqual([one.label, one.prediction, one.probabilities, one.model], ['setosa', 0, [1, 0, 0], 'iris']);
    const many = await client.predictBatch(flowers, { model: 'iris', timeoutMs: 5000, priority: 1 });
    assert.equal(many.count, 3);
    assert.equal(many.labels![2], 'virginica');
    assert.deepEqual(many.predictions[0], 0);
  });

  it('get the same tensors as JSON, as bytes and over gRPC', async () => {
    const grpc = createGrpcClient<Models>(server.grpcUrl);
    const over = [
      createClient<Models>({ url: server.url, binary: 'never' }),
      createClient<Models>({ url: `${server.url}/`, binary: 'always' }),
      createClient<Models>({ url: server.url }),
      grpc,
    ];
    const answers = await Promise.all(
      over.map((client) => client.infer('iris', { features }, { id: 'x', timeoutMs: 9000 })),
    );
    grpc.close();
    const [first] = answers as [(typeof answers)[0], ...typeof answers];
    assert.equal(first.outputs.probabilities.shape[0], 3);
    assert.equal(first.outputs.label.data[0], 0n);
    for (const answer of answers) assert.deepEqual(answer, first);
  });

  it('carry the extremes of every datatype, as bytes, as JSON and over gRPC', async () => {
    const grpc = createGrpcClient(server.grpcUrl);
    const runs = [
      { client: createClient({ url: server.url, binary: 'always' }), model: 'every', all: datatypes },
      { client: createClient({ url: server.url, binary: 'auto' }), model: 'json', all: withJsonForm },
      { client: createClient({ url: server.url, binary: 'never' }), model: 'json', all: withJsonForm },
      { client: grpc, model: 'every', all: datatypes },
    ];
    for (const { client, model, all } of runs) {
      const { outputs } = await client.infer(model, inputsOf(all));
      for (const datatype of all) {
        assert.deepEqual(outputs[`out_${datatype}`], { datatype, shape: [1, 5], data: extremes[datatype] });
      }
    }
    grpc.close();
  });

  it('throw what the server says, with its code', async () => {
    const client = createClient({ url: server.url, retries: 0 });
    await assert.rejects(client.predict([1, 2], { model: 'iris' }), {
      code: 'INVALID_INPUT',
      status: 400,
      details: { field: 'features', expected: '4 numbers', received: '2' },
    });
    await assert.rejects(client.infer('rose', { x: { shape: [1], data: Float32Array.of(1) } }), {
      code: 'MODEL_NOT_FOUND',
      status: 404,
    });
    const wrong = { features: { shape: [1, 5], data: new Float32Array(5) } };
    await assert.rejects(client.infer('iris', wrong), { code: 'INVALID_INPUT', message: /inputs\.features\.shape/ });
    await assert.rejects(client.infer('iris', { features }, { signal: AbortSignal.abort() }), { code: 'CANCELLED' });
  });

  it('describe the server', async () => {
    const client = createClient<Models>({ url: server.url });
    assert.deepEqual([await client.live(), await client.ready(), await client.ready('iris')], [true, true, true]);
    assert.equal(await createClient({ url: server.url }).ready('torn'), false);
    const { models } = await client.models();
    assert.deepEqual(models.map(({ name }) => name).sort(), ['every', 'iris', 'json', 'torn']);
    const metadata = await client.metadata('iris', { version: '1' });
    assert.deepEqual(metadata.inputs, [{ name: 'features', datatype: 'float32', shape: [-1, 4] }]);
    const grpc = createGrpcClient(server.grpcUrl);
    assert.deepEqual(await grpc.metadata('iris', { version: '1' }), metadata);
    grpc.close();
  });

  it('have the types that the command writes, the same from the server and from the file', async () => {
    const fromServer = await types('iris', '--url', server.url);
    const fromFile = await types('iris', '--file', irisFile);
    assert.deepEqual([fromServer.code, fromServer.err, fromFile.code, fromFile.err], [0, '', 0, '']);
    const body = (text: string) => text.slice(text.indexOf('export interface'));
    assert.equal(body(fromServer.out), body(fromFile.out));
    assert.match(fromServer.out, new RegExp(`hotpath types iris --url ${server.url}`));
    const example = await readFile(join(import.meta.dirname, '../../examples/client-typed/models.ts'), 'utf8');
    assert.equal(body(fromServer.out), body(example));
  });

  it('have types for all models that can be loaded', async () => {
    const { code, out, err } = await types('--all', '--url', server.url);
    assert.equal(code, 0);
    assert.deepEqual(out.match(/^ {2}\w+/gm), ['  every', '  iris', '  json']);
    assert.match(err, /^hotpath: torn is left out: /);
    assert.equal((await types('torn', '--url', server.url)).code, 1);
    assert.match((await types('torn', '--file', join(server.models, 'torn/1/model.onnx'))).err, /cannot be loaded: /);
  });

  it('compile against what the command writes, and not against another model', async () => {
    const out = join(server.models, 'models.ts');
    assert.equal((await types('every', '--url', server.url, '--out', out)).code, 0);
    const once = await readFile(out, 'utf8');
    await types('every', '--url', server.url, '--out', out);
    assert.equal(await readFile(out, 'utf8'), once);
    const root = join(import.meta.dirname, '../..');
    const program = (input: string) => `import { createClient } from '${root}/src/client/client.ts';
import type { Models } from './models.ts';
const { infer } = createClient<Models>({ url: '' });
declare const rest: Omit<Parameters<typeof infer<'every'>>[1], 'in_float32'>;
void infer('every', { ...rest, in_float32: ${input} });
`;
    const compile = async (input: string) => {
      const path = join(server.models, 'program.ts');
      await writeFile(path, program(input));
      const flags = ['--noEmit', '--strict', '--target', 'es2024', '--module', 'nodenext', '--skipLibCheck'];
      const more = ['--allowImportingTsExtensions', '--ignoreConfig', '--typeRoots', join(root, 'node_modules/@types')];
      const lib = ['--lib', 'es2024,esnext.float16', '--types', 'node'];
      const tsc = join(root, 'node_modules/.bin/tsc');
      const run = promisify(execFile)(tsc, [...flags, ...more, ...lib, path], { cwd: root });
      return run.then(
        () => 'compiles',
        (error: { stdout: string }) => error.stdout,
      );
    };
    assert.equal(await compile('{ shape: [1, 2], data: Float32Array.of(1, 2) }'), 'compiles');
    assert.match(await compile('{ shape: [2], data: Float32Array.of(1, 2) }'), /program\.ts.*error TS2322/);
  });

  it('try again while a server restarts on its port', async () => {
    const models = await modelFolder();
    await storeIris(models);
    const first = await serve(models);
    const port = new URL(first.url).port;
    const client = createClient<Models>({ url: first.url, retries: { retries: 30, baseDelayMs: 50, maxDelayMs: 200 } });
    const before = await client.infer('iris', { features });
    await first.drain();
    await first.stop();
    const again = await modelFolder();
    await storeIris(again);
    const call = client.infer('iris', { features });
    const second = await serve(again, { port });
    try {
      assert.deepEqual((await call).outputs, before.outputs);
    } finally {
      await second.stop();
    }
    const lost = createClient({ url: first.url, retries: 0 });
    await assert.rejects(lost.models(), (error) => error instanceof HotpathClientError && error.status === undefined);
  });
});
