import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ModelConfig, ModelEntry } from '../../ports/model-source.ts';
import { HotpathError } from '../errors.ts';
import { labelsOf, resolveVersion, serveVersions } from './version-policy.ts';

function entryOf(versions: string[], config: ModelConfig = {}): ModelEntry {
  const files = versions.map((version) => ({ version, path: `/${version}`, sizeBytes: 1, modifiedMs: 0 }));
  return { name: 'iris', versions: files, config };
}

function served(versions: string[], config?: ModelConfig): string[] {
  return serveVersions(entryOf(versions, config)).files.map((file) => file.version);
}

function resolve(versions: string[], config: ModelConfig, wanted?: string): string {
  const entry = entryOf(versions, config);
  try {
    return resolveVersion(entry, serveVersions(entry), wanted).version;
  } catch (error) {
    assert.ok(error instanceof HotpathError && error.code === 'MODEL_NOT_FOUND');
    return error.message;
  }
}

describe('the version policy', () => {
  it('serves the latest, the latest n, all, or a list', () => {
    assert.deepEqual(served(['1', '9', '10']), ['10']);
    assert.deepEqual(served(['1', '9', '10'], { versionPolicy: { latest: 2 } }), ['9', '10']);
    assert.deepEqual(served(['1', '9', '10'], { versionPolicy: { latest: 5 } }), ['1', '9', '10']);
    assert.deepEqual(served(['1', '9', '10'], { versionPolicy: 'all' }), ['1', '9', '10']);
    assert.deepEqual(served(['1', '9', '10'], { versionPolicy: ['9', '1', '7'] }), ['1', '9']);
    assert.deepEqual(served([]), []);
  });

  it('serves labelled versions too, but they do not become the newest', () => {
    const config: ModelConfig = { versionPolicy: ['1'], labels: { canary: '2' } };
    assert.deepEqual(served(['1', '2'], config), ['1', '2']);
    assert.equal(resolve(['1', '2'], config), '1');
    assert.equal(resolve(['1', '2'], config, 'canary'), '2');
  });

  it('resolves numbers, labels and nothing', () => {
    const config: ModelConfig = { labels: { stable: '1' } };
    assert.equal(resolve(['1', '2'], config), '2');
    assert.equal(resolve(['1', '2'], config, 'stable'), '1');
    assert.equal(resolve(['1', '2'], config, '2'), '2');
    const entry = entryOf(['1', '2'], { labels: { stable: '1', old: '1' } });
    assert.deepEqual([labelsOf(entry, '1'), labelsOf(entry, '2')], [['stable', 'old'], []]);
  });

  it('says what exists when a version does not', () => {
    assert.equal(
      resolve(['1', '2'], { versionPolicy: 'all', labels: { stable: '1' } }, '7'),
      'Model "iris" has no version "7"; it serves: 1, 2 (labels: stable).',
    );
    assert.equal(resolve(['1', '2'], {}, '1'), 'Model "iris" has no version "1"; it serves: 2.');
    assert.equal(
      resolve(['1'], { labels: { stable: '3' } }, 'stable'),
      'Model "iris" has no version "3", which label "stable" points to; it serves: 1 (labels: stable).',
    );
    assert.equal(resolve([], {}), 'Model "iris" has no version; expected a file iris/1/model.onnx.');
    assert.match(resolve(['1'], { versionPolicy: ['2'] }), /names none of those that exist: 1\.$/);
    assert.match(resolve(['1'], {}, 'toString'), /has no version "toString"/);
  });
});
