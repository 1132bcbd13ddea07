import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { explainProviderError, missingProvider, providersToTry, runtimeProviders } from './execution-providers.ts';

describe('execution providers', () => {
  it('tries the list in order, cpu last when falling back, cpu alone for an empty list', () => {
    assert.deepEqual(providersToTry(['cuda'], false), ['cuda']);
    assert.deepEqual(providersToTry(['cuda'], true), ['cuda', 'cpu']);
    assert.deepEqual(providersToTry(['cpu', 'webgpu'], true), ['cpu', 'webgpu']);
    assert.deepEqual(providersToTry([], false), ['cpu']);
  });

  it('backs every accelerator with the cpu for operators it lacks', () => {
    assert.deepEqual(runtimeProviders('tensorrt'), ['tensorrt', 'cuda', 'cpu']);
    assert.deepEqual(runtimeProviders('cpu'), ['cpu']);
  });

  it('never calls cpu and webgpu missing without trying', () => {
    assert.equal(missingProvider('cpu'), undefined);
    assert.equal(missingProvider('webgpu'), undefined);
  });

  it('names what a provider lacks', () => {
    const cases = [
      ['webgpu', 'Failed to get a WebGPU adapter: No supported adapters', /Vulkan driver/],
      [
        'cuda',
        'Failed to load library a file with error: libcublasLt.so.12: cannot open shared object file',
        /needs libcublasLt\.so\.12/,
      ],
      ['tensorrt', 'OrtSessionOptionsAppendExecutionProvider_TensorRT: Failed to load shared library', /TensorRT 10/],
      ['cuda', 'CUDA failure 35: CUDA driver version is insufficient', /no usable GPU or driver/],
    ] as const;
    for (const [provider, message, expected] of cases) {
      assert.match(explainProviderError(provider, message) ?? '', expected);
    }
  });

  it('leaves complaints about the model alone', () => {
    assert.equal(explainProviderError('cuda', 'Protobuf parsing failed.'), undefined);
    assert.equal(explainProviderError('webgpu', 'Protobuf parsing failed.'), undefined);
    assert.equal(explainProviderError('cpu', 'Failed to load shared library'), undefined);
  });
});
