/** What the tests of config.pbtxt share: the line most of them begin with, and the error of a text that is refused. */
import assert from 'node:assert/strict';
import { HotpathError } from '../../../core/errors.ts';
import { readTritonConfig } from '../to-model-config.ts';

export const onnx = 'platform: "onnxruntime_onnx"\n';

export function failure(text: string): HotpathError {
  try {
    readTritonConfig(text, 'm');
  } catch (error) {
    assert.ok(error instanceof HotpathError, String(error));
    return error;
  }
  assert.fail(`no error for ${text}`);
}
