import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cleanRuntimeMessage } from './runtime-message.ts';

const path = '/srv/models/demo/1/model.onnx';
const clean = (message: string): string => cleanRuntimeMessage(new Error(message), path);

describe('cleanRuntimeMessage', () => {
  it('drops the model path and the source position with its C++ signature', () => {
    assert.equal(
      clean(
        `Load model from ${path} failed:/onnxruntime_src/onnxruntime/core/graph/model.cc:187 onnxruntime::Model::Model(onnx::ModelProto&&, const onnxruntime::PathString&, const onnxruntime::ModelOptions&) ModelProto does not have a graph.\n`,
      ),
      'ModelProto does not have a graph.',
    );
  });

  it('drops a load error inside a load error', () => {
    assert.equal(
      clean(`Load model from ${path} failed:Load model ${path} failed. File doesn't exist`),
      "File doesn't exist",
    );
  });

  it('drops lambdas and the failed C++ condition', () => {
    assert.equal(
      clean(
        '/onnxruntime_src/onnxruntime/core/providers/webgpu/webgpu_context.cc:136 onnxruntime::webgpu::WebGpuContext::Initialize(const onnxruntime::webgpu::WebGpuContextConfig&)::<lambda()> adapter_result.status == wgpu::RequestAdapterStatus::Success was false. Failed to get a WebGPU adapter: No supported adapters\n',
      ),
      'Failed to get a WebGPU adapter: No supported adapters',
    );
  });

  it('names no file beside the model and no library', () => {
    const message = clean('cannot open /srv/models/demo/1/weights.bin or /usr/lib/x86_64-linux-gnu/libcudnn.so.9 now');
    assert.equal(message, 'cannot open weights.bin or a file now');
  });

  it('keeps node names, which look like paths but are the model’s own', () => {
    assert.equal(
      clean("running Pad node. Name:'/layer1/pad/Pad' Status Message: no"),
      "running Pad node. Name:'/layer1/pad/Pad' Status Message: no",
    );
  });

  it('joins lines, shortens and never returns nothing', () => {
    assert.equal(clean('a\n b\n'), 'a b');
    assert.equal(clean('x'.repeat(5000)).length, 401);
    assert.equal(clean(''), 'The runtime gave no reason.');
  });
});
