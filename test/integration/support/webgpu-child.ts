/** Runs in a process whose environment names a Vulkan driver: the same rows on webgpu and cpu, through the real engine. */
import { createOnnxEngine } from '../../../src/engines/onnx/onnx-engine.ts';
import type { EngineSpec } from '../../../src/ports/engine.ts';

const [path = ''] = process.argv.slice(2);
const engine = createOnnxEngine({
  logger: { debug() {}, info() {}, warn() {}, error() {} },
  cacheDir: '',
  probeTimeoutMs: 60_000,
});

async function answers(executionProvider: 'cpu' | 'webgpu') {
  const spec: EngineSpec = {
    name: 'net',
    version: '1',
    path,
    digest: '',
    executionProviders: [executionProvider],
    fallbackToCpu: false,
    instances: 1,
    intraOpThreads: 1,
    runTimeoutMs: 60_000,
  };
  const report = await engine.probe(spec);
  const model = await engine.load(spec, report.signature);
  const data = Float32Array.from({ length: 3 * 2 * 16 * 16 }, (_, index) => Math.sin(index));
  const { outputs } = await model.instances[0]!.run([{ datatype: 'float32', shape: [3, 2, 16, 16], data }]);
  return { provider: model.executionProvider, batch: report.batch, values: Array.from(outputs[0]!.data, Number) };
}

const result = { cpu: await answers('cpu'), webgpu: await answers('webgpu') };
await engine.close();
process.stdout.write(`${JSON.stringify(result)}\n`);
