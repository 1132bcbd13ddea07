/**
 * Execution providers as ONNX Runtime wants them named, and sentences for what is missing when one cannot be had.
 * Called by session.ts for each provider of a model's list, in order. Never imports the runtime.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { ExecutionProvider } from '../../ports/engine.ts';

/** How a GPU user opts in; docs/guides/gpu.md explains it. */
export const cudaInstallCommand =
  'node node_modules/onnxruntime-node/script/install.js --onnxruntime-node-install=cuda12';

/** Providers of the session, most wanted first. Operators the first lacks run on the next. */
const runtimeLists = {
  cpu: ['cpu'],
  webgpu: ['webgpu', 'cpu'],
  cuda: ['cuda', 'cpu'],
  tensorrt: ['tensorrt', 'cuda', 'cpu'],
} as const satisfies Record<ExecutionProvider, readonly string[]>;

export function runtimeProviders(provider: ExecutionProvider): string[] {
  return [...runtimeLists[provider]];
}

/** The order in which sessions are tried. */
export function providersToTry(wanted: readonly ExecutionProvider[], fallbackToCpu: boolean): ExecutionProvider[] {
  const list = wanted.length === 0 ? ['cpu' as const] : [...wanted];
  if (fallbackToCpu && !list.includes('cpu')) list.push('cpu');
  return list;
}

/** Why the provider cannot be had on this machine, known without trying it; undefined: try it. */
export function missingProvider(provider: ExecutionProvider): string | undefined {
  if (provider === 'cpu' || provider === 'webgpu') return undefined;
  const library = `onnxruntime_providers_${provider}`;
  const folder = libraryFolder();
  if (existsSync(join(folder, `lib${library}.so`)) || existsSync(join(folder, `${library}.dll`))) return undefined;
  return `${label(provider)} needs the GPU libraries of onnxruntime-node (lib${library}.so), which are not installed here; install them with \`${cudaInstallCommand}\` (linux x64)`;
}

/** Turns the runtime's complaint into what is missing; undefined when it is about something else, such as the model. */
export function explainProviderError(provider: ExecutionProvider, message: string): string | undefined {
  if (provider === 'cpu') return undefined;
  if (provider === 'webgpu') {
    if (!/WebGPU|adapter|Vulkan|Dawn|wgpu|webgpu/.test(message)) return undefined;
    return 'WebGPU found no adapter: it needs a Vulkan driver (libvulkan.so.1 and an ICD file), Direct3D 12 or Metal';
  }
  const library = /lib[\w.+-]+\.so[\w.]*/.exec(message)?.[0];
  if (library !== undefined && /cannot open shared object|Failed to load/.test(message)) {
    return `${label(provider)} needs ${library}, which is not on the library path`;
  }
  if (/Failed to load (?:shared )?library/i.test(message)) {
    return `${label(provider)} needs the CUDA 12 runtime and cuDNN 9 on the library path${provider === 'tensorrt' ? ', and TensorRT 10' : ''}`;
  }
  if (/CUDA (?:failure|error|driver)|no CUDA-capable device|cudaSetDevice/i.test(message)) {
    return `${label(provider)} found no usable GPU or driver`;
  }
  return undefined;
}

function label(provider: ExecutionProvider): string {
  return { cpu: 'CPU', webgpu: 'WebGPU', cuda: 'CUDA', tensorrt: 'TensorRT' }[provider];
}

function libraryFolder(): string {
  const manifest = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
  return join(dirname(manifest), 'bin', 'napi-v6', process.platform, process.arch);
}
