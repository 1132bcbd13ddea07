import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { EngineSpec, ProbeReport } from '../../ports/engine.ts';
import { openProbeCache } from './probe-cache.ts';

const logger = { debug() {}, info() {}, warn() {}, error() {} };
const spec: EngineSpec = {
  name: 'm',
  version: '1',
  path: '/m.onnx',
  digest: 'abc',
  executionProviders: ['cpu'],
  fallbackToCpu: false,
  instances: 1,
  intraOpThreads: 1,
  runTimeoutMs: 1000,
};
const report: ProbeReport = {
  signature: { inputs: [], outputs: [], skippedOutputs: [] },
  batch: { safe: false, reason: 'because' },
  singleRunMs: 0.25,
  trialShapes: [[1, 2]],
  memoryBytes: 5,
  notes: ['n'],
  executionProvider: 'cpu',
};

describe('probe cache', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hotpath-probe-cache-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('finds a report again by content and circumstance, not by name', async () => {
    const cache = openProbeCache(join(folder, 'new'), logger);
    assert.equal(await cache.read(spec), undefined);
    await cache.write(spec, report);
    assert.deepEqual(await cache.read({ ...spec, name: 'other', version: '7', path: '/o.onnx' }), report);
    assert.equal(await cache.read({ ...spec, digest: 'abd' }), undefined);
    assert.equal(await cache.read({ ...spec, executionProviders: ['webgpu'] }), undefined);
    assert.equal(await cache.read({ ...spec, sessionOptions: { enableMemPattern: false } }), undefined);
  });

  it('does not remember a provider that was only a substitute', async () => {
    const cache = openProbeCache(folder, logger);
    const wanting: EngineSpec = { ...spec, executionProviders: ['cuda'], fallbackToCpu: true };
    await cache.write(wanting, report);
    assert.equal(await cache.read(wanting), undefined);
  });

  it('takes corrupt, foreign and unwritable files for a cache miss', async () => {
    const cache = openProbeCache(folder, logger);
    await cache.write(spec, report);
    const [file] = await readdir(join(folder, 'probes'));
    for (const content of ['', '{', 'null', '[]', '{"key":1}', '{"key":"k","report":{}}']) {
      await writeFile(join(folder, 'probes', file!), content);
      assert.equal(await cache.read(spec), undefined, content);
    }
    await writeFile(join(folder, 'plain'), 'a file where a folder should be');
    const blocked = openProbeCache(join(folder, 'plain'), logger);
    await blocked.write(spec, report);
    assert.equal(await blocked.read(spec), undefined);
  });

  it('caches nothing without a folder', async () => {
    const cache = openProbeCache('', logger);
    await cache.write(spec, report);
    assert.equal(await cache.read(spec), undefined);
  });
});
