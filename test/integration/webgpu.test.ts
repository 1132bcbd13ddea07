import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { ints, makeNode, makeTensor, makeValueInfo } from '../../src/onnx-file/model.ts';
import { modelBytes, startHarness } from './support/engine-harness.ts';

/** SwiftShader, a Vulkan driver in software, and the Vulkan loader come with Debian's chromium. */
const driverFolder = '/usr/lib/chromium';
const driverFile = join(driverFolder, 'vk_swiftshader_icd.json');
const skip =
  !existsSync(driverFile) && process.env.HOTPATH_TEST_REQUIRE_SERVICES !== '1' && 'no SwiftShader: install chromium';

const weights = (count: number, step: number): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length: count }, (_, index) => Math.cos(index * step) / 4);

/** Convolution, activation, pooling, a linear layer, softmax. */
const net = modelBytes({
  nodes: [
    makeNode('Conv', ['x', 'kernel', 'bias'], ['c'], { pads: ints([1, 1, 1, 1]) }),
    makeNode('Relu', ['c'], ['r']),
    makeNode('GlobalAveragePool', ['r'], ['g']),
    makeNode('Flatten', ['g'], ['f']),
    makeNode('Gemm', ['f', 'w'], ['l']),
    makeNode('Softmax', ['l'], ['y']),
  ],
  inputs: [makeValueInfo('x', 'float32', ['batch', 2, 16, 16])],
  outputs: [makeValueInfo('y', 'float32', ['batch', 5])],
  initializers: [
    makeTensor('kernel', 'float32', [4, 2, 3, 3], weights(72, 0.7)),
    makeTensor('bias', 'float32', [4], weights(4, 1.3)),
    makeTensor('w', 'float32', [4, 5], weights(20, 2.1)),
  ],
});

describe('WebGPU', { skip }, () => {
  it('agrees with the cpu to 1e-5, in a worker, and may be batched', async (test) => {
    const { folder } = await startHarness(test);
    const path = join(folder, 'net.onnx');
    await writeFile(path, net);
    const child = join(import.meta.dirname, 'support/webgpu-child.ts');
    const { stdout } = await promisify(execFile)(process.execPath, [child, path], {
      env: {
        ...process.env,
        VK_ICD_FILENAMES: driverFile,
        XDG_RUNTIME_DIR: folder,
        LD_LIBRARY_PATH: [driverFolder, process.env.LD_LIBRARY_PATH].filter(Boolean).join(':'),
      },
      timeout: 60_000,
    });
    const { cpu, webgpu } = JSON.parse(stdout.trim().split('\n').at(-1)!);
    assert.equal(cpu.provider, 'cpu');
    assert.equal(webgpu.provider, 'webgpu');
    assert.deepEqual(webgpu.batch, { safe: true });
    assert.equal(webgpu.values.length, 15);
    for (const [index, value] of cpu.values.entries()) assert.ok(Math.abs(value - webgpu.values[index]) <= 1e-5);
    assert.ok(Math.abs(cpu.values[0] - cpu.values[1]) > 1e-3, 'the answers must say something');
  });

  it('without a driver, names what is missing', async (test) => {
    const { probe } = await startHarness(test);
    const before = { icd: process.env.VK_ICD_FILENAMES, driver: process.env.VK_DRIVER_FILES };
    process.env.VK_ICD_FILENAMES = '/nonexistent.json';
    process.env.VK_DRIVER_FILES = '/nonexistent.json';
    try {
      await assert.rejects(probe(net, { executionProviders: ['webgpu'] }), {
        code: 'MODEL_FAILED',
        message: /WebGPU found no adapter: it needs a Vulkan driver/,
      });
    } finally {
      restore('VK_ICD_FILENAMES', before.icd);
      restore('VK_DRIVER_FILES', before.driver);
    }
  });
});

function restore(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}
