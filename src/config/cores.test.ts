import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { grantedCores } from './cores.ts';
import { memoryLimitBytes } from './memory-limit.ts';

const folder = mkdtempSync(join(tmpdir(), 'hotpath-cgroup-'));
after(() => rmSync(folder, { recursive: true }));

let samples = 0;
/** A control group tree: the membership lines, and the files below the mount point. */
function sample(lines: string, content: Record<string, string>) {
  const root = join(folder, String(samples++));
  for (const [path, text] of Object.entries({ membership: lines, ...content })) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), `${text}\n`);
  }
  return { root, membership: join(root, 'membership') };
}

describe('cores granted', () => {
  it('are all the scheduler offers without control groups or quota', () => {
    assert.equal(grantedCores({ root: folder, membership: join(folder, 'none') }, 8), 8);
    assert.equal(grantedCores(sample('0::/', { 'cpu.max': 'max 100000' }), 8), 8);
    assert.equal(
      grantedCores(sample('4:cpu,cpuacct:/', { 'cpu/cpu.cfs_quota_us': '-1', 'cpu/cpu.cfs_period_us': '100000' }), 8),
      8,
    );
  });

  it('are the whole cores of a v2 quota, at least one', () => {
    assert.equal(grantedCores(sample('0::/', { 'cpu.max': '300000 100000' }), 8), 3);
    assert.equal(grantedCores(sample('0::/', { 'cpu.max': '150000 100000' }), 8), 1);
    assert.equal(grantedCores(sample('0::/', { 'cpu.max': '50000 100000' }), 8), 1);
  });

  it('never exceed what the scheduler offers', () => {
    assert.equal(grantedCores(sample('0::/', { 'cpu.max': '1600000 100000' }), 2), 2);
  });

  it('obey the tightest quota from the own group up', () => {
    const files = {
      'kubepods/cpu.max': '400000 100000',
      'kubepods/pod1/cpu.max': 'max 100000',
      'cpu.max': 'max 100000',
    };
    assert.equal(grantedCores(sample('0::/kubepods/pod1', files), 8), 4);
  });

  it('come from v1 under either mount name, and from the mount itself inside a container', () => {
    const quota = { 'cpu,cpuacct/a/cpu.cfs_quota_us': '200000', 'cpu,cpuacct/a/cpu.cfs_period_us': '100000' };
    assert.equal(grantedCores(sample('4:cpu,cpuacct:/a', quota), 8), 2);
    const inside = { 'cpu/cpu.cfs_quota_us': '300000', 'cpu/cpu.cfs_period_us': '100000' };
    assert.equal(grantedCores(sample('5:memory:/x\n4:cpu,cpuacct:/docker/abc\n0::/', inside), 8), 3);
  });
});

describe('memory granted', () => {
  const GiB = 2 ** 30;

  it('is the limit of v2 or v1, and the machine’s when there is none', () => {
    assert.equal(memoryLimitBytes(sample('0::/', { 'memory.max': String(2 * GiB) }), 8 * GiB), 2 * GiB);
    assert.equal(memoryLimitBytes(sample('0::/', { 'memory.max': 'max' }), 8 * GiB), 8 * GiB);
    assert.equal(
      memoryLimitBytes(sample('3:memory:/a', { 'memory/a/memory.limit_in_bytes': String(GiB) }), 8 * GiB),
      GiB,
    );
    const unlimited = { 'memory/memory.limit_in_bytes': '9223372036854771712' };
    assert.equal(memoryLimitBytes(sample('3:memory:/', unlimited), 8 * GiB), 8 * GiB);
  });
});
