import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseModelConfig } from '../../config/model-config.ts';
import { SimulatedClock } from '../../core/simulated-clock.ts';
import { FilesystemModelSource } from './model-source.ts';

const remote = JSON.stringify({ engine: 'remote', upstream: { addresses: ['grpc://upstream:8001'] } });

describe('the folder of a remote model', () => {
  let root: string;
  let source: FilesystemModelSource;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'remote-folder-'));
    source = new FilesystemModelSource({ root, parseConfig: parseModelConfig, clock: new SimulatedClock() });
    for (const folder of ['alone', 'versions/2', 'versions/10']) await mkdir(join(root, folder), { recursive: true });
    for (const name of ['alone', 'versions']) await writeFile(join(root, name, 'model.json'), remote);
  });

  after(() => rm(root, { recursive: true }));

  it('needs no model file: it has version 1, or those of its empty version folders', async () => {
    const entries = await source.list();
    assert.deepEqual(
      entries.map(({ name, versions }) => [name, versions.map(({ version }) => version)]),
      [
        ['alone', ['1']],
        ['versions', ['2', '10']],
      ],
    );
    for (const { versions } of entries) for (const file of versions) assert.equal(file.sizeBytes, remote.length);
  });

  it('changes its digest with its addresses', async () => {
    const before = await source.digest((await source.find('alone'))!.versions[0]!);
    await writeFile(join(root, 'alone/model.json'), remote.replace('8001', '9001'));
    const entry = await source.find('alone');
    assert.notEqual(await source.digest(entry!.versions[0]!), before);
    assert.deepEqual(entry?.config.upstream?.addresses, ['grpc://upstream:9001']);
  });
});
