/** Third-party models put into a model folder as a user would, and the golden tensors that come with some. Used by the fixture tests. */
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readMessage } from '../../../src/onnx-file/wire-reader.ts';
import { fixture } from './fixtures.ts';
import { modelFolder, serve, type TestServer } from './serve.ts';

/** The whole of deploying: copy the file to <models>/<name>/1/model.onnx. */
export async function dropModel(models: string, name: string, path: string, config?: object): Promise<void> {
  await mkdir(join(models, name, '1'), { recursive: true });
  await copyFile(fixture(path), join(models, name, '1/model.onnx'));
  if (config !== undefined) await writeFile(join(models, name, 'model.json'), JSON.stringify(config));
}

/** Serves the given fixtures by name while `use` runs. */
export async function withModels(
  files: Readonly<Record<string, string>>,
  use: (server: TestServer, urlOf: (model: string) => string) => Promise<void>,
): Promise<void> {
  const models = await modelFolder();
  for (const [name, path] of Object.entries(files)) await dropModel(models, name, path);
  const server = await serve(models);
  try {
    await use(server, (model) => `${server.url}/api/v1/models/${model}`);
  } finally {
    await server.stop();
  }
}

/** A float32 TensorProto with raw data, as the test_data_set folders of ONNX have them. */
export async function readGolden(path: string): Promise<{ shape: number[]; data: Float32Array<ArrayBuffer> }> {
  const dims: (number | bigint)[] = [];
  let data = new Float32Array();
  readMessage(await readFile(fixture(path)), (field, reader) => {
    if (field === 1) reader.intsInto(dims);
    else if (field === 9) data = new Float32Array(new Uint8Array(reader.bytes()).buffer);
  });
  return { shape: dims.map(Number), data };
}

export async function readNumbers(path: string): Promise<number[]> {
  return (await readFile(fixture(path), 'utf8')).trim().replace(/,$/, '').split(',').map(Number);
}
