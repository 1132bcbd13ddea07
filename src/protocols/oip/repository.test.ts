import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ModelStatus } from '../../core/registry/catalog.ts';
import { readIndexRequest, readLoadRequest, readUnloadRequest, repositoryIndex } from './repository.ts';
import { refusal } from './testing/oip-fixtures.ts';

describe('repositoryIndex', () => {
  const status = (version: string, state: ModelStatus['state'], reason?: string): ModelStatus => ({
    name: 'm',
    version,
    state,
    reason,
    labels: [],
  });
  const all = [
    status('1', 'ready'),
    status('2', 'loading'),
    status('3', 'unloading'),
    status('4', 'failed', 'broken'),
    status('5', 'unloaded'),
    status('6', 'unloaded', 'held'),
  ];

  it('has a state of the protocol and a reason for every version', () => {
    assert.deepEqual(
      repositoryIndex(all, false).map(({ version, state, reason }) => [version, state, reason]),
      [
        ['1', 'READY', ''],
        ['2', 'LOADING', ''],
        ['3', 'UNLOADING', ''],
        ['4', 'UNAVAILABLE', 'broken'],
        ['5', 'UNAVAILABLE', 'not loaded; its first request loads it'],
        ['6', 'UNAVAILABLE', 'held'],
      ],
    );
  });

  it('can be limited to what is ready', () => {
    assert.deepEqual(repositoryIndex(all, true), [{ name: 'm', version: '1', state: 'READY', reason: '' }]);
    assert.deepEqual([readIndexRequest({}), readIndexRequest({ ready: true })], [{ ready: false }, { ready: true }]);
    assert.equal(refusal(() => readIndexRequest({ ready: 1 })).message, 'ready: expected true or false, got number 1');
  });
});

describe('readLoadRequest', () => {
  const read = (parameters: Record<string, unknown>) => readLoadRequest('m', { parameters });
  const said = (parameters: Record<string, unknown>) => refusal(() => read(parameters)).message;

  it('reads a config and files, as base64 or bytes', () => {
    assert.deepEqual(readLoadRequest('m', {}), { model: 'm', config: undefined, files: [] });
    const bytes = Uint8Array.of(1, 2, 255);
    const { config, files } = read({
      config: '{"max_batch_size": 8}',
      'file:1/model.onnx': 'AQL/',
      'file:12/sub/data.bin': bytes,
    });
    assert.deepEqual(config, { max_batch_size: 8 });
    assert.deepEqual(
      files.map(({ version, path, bytes }) => [version, path, [...bytes]]),
      [
        ['1', 'model.onnx', [1, 2, 255]],
        ['12', 'sub/data.bin', [1, 2, 255]],
      ],
    );
    assert.deepEqual([...read({ config: '{}', 'file:1/a': 'AQ==' }).files[0]!.bytes], [1]);
  });

  it('refuses places outside of the version folder', () => {
    for (const place of [
      'model.onnx',
      '1',
      '1/',
      '1/../x',
      '1//x',
      '/1/x',
      '0/x',
      'a/x',
      '1/.hidden',
      '1/a\\b',
      '1/a\0',
    ]) {
      assert.match(said({ config: '{}', [`file:${place}`]: 'AQ==' }), /expected "file:<version>\/<file name>"/, place);
    }
  });

  it('names what is no config, no base64 or no parameter', () => {
    assert.equal(said({ config: 1 }), 'parameters.config: expected a string of JSON, got number 1');
    assert.equal(
      said({ config: '{' }),
      'parameters.config: expected a model configuration as JSON object, got no JSON',
    );
    assert.equal(
      said({ config: '[]' }),
      'parameters.config: expected a model configuration as JSON object, got a list of 0',
    );
    assert.match(said({ config: '{}', 'file:1/a': 'A!==' }), /^parameters\.file:1\/a: expected base64 text/);
    assert.match(said({ config: '{}', 'file:1/a': 5 }), /expected base64 text, got number 5/);
    assert.match(said({ 'file:1/a': 'AQ==' }), /files can only be sent together with a config/);
    assert.match(said({ other: 1 }), /^parameters\.other: expected "config" or/);
    assert.equal(
      refusal(() => readLoadRequest('m', { parameters: 1 })).message,
      'parameters: expected an object, got number 1',
    );
  });
});

describe('readUnloadRequest', () => {
  it('reads whether dependents go as well', () => {
    assert.deepEqual(readUnloadRequest('m', {}), { model: 'm', unloadDependents: false });
    assert.deepEqual(readUnloadRequest('m', { parameters: { unload_dependents: true } }), {
      model: 'm',
      unloadDependents: true,
    });
    const { message } = refusal(() => readUnloadRequest('m', { parameters: { unload_dependents: 'yes' } }));
    assert.equal(message, 'parameters.unload_dependents: expected true or false, got string "yes"');
  });
});
