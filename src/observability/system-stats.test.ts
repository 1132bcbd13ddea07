import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { createSystemStats } from './system-stats.ts';

const MiB = 1024 * 1024;

async function fakeRoot(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const root = await mkdtemp(path.join(os.tmpdir(), 'hotpath-system-'));
  t.after(() => rm(root, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(root, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  return root;
}

test('limits of cgroup version 2 are read from the own group, without reclaimable cache', async (t) => {
  const root = await fakeRoot(t, {
    'proc/self/cgroup': '0::/pod/app\n',
    'sys/fs/cgroup/pod/app/cpu.max': '50000 100000\n',
    'sys/fs/cgroup/pod/app/memory.max': `${64 * MiB}\n`,
    'sys/fs/cgroup/pod/app/memory.current': `${40 * MiB}\n`,
    'sys/fs/cgroup/pod/app/memory.stat': `anon 1\ninactive_file ${10 * MiB}\nactive_file 5\n`,
  });
  const stats = await createSystemStats(root).read();
  assert.equal(stats.cpuCores, 0.5);
  assert.equal(stats.memoryLimitBytes, 64 * MiB);
  assert.equal(stats.memoryUsedBytes, 30 * MiB);
});

test('a container that sees its own group as the root is read too', async (t) => {
  const root = await fakeRoot(t, {
    'proc/self/cgroup': '0::/not/visible/here\n',
    'sys/fs/cgroup/cpu.max': '25000 100000\n',
    'sys/fs/cgroup/memory.max': `${32 * MiB}\n`,
    'sys/fs/cgroup/memory.current': `${8 * MiB}\n`,
  });
  const stats = await createSystemStats(root).read();
  assert.equal(stats.cpuCores, 0.25);
  assert.equal(stats.memoryLimitBytes, 32 * MiB);
  assert.equal(stats.memoryUsedBytes, 8 * MiB);
});

test('limits of cgroup version 1 are read from its controllers', async (t) => {
  const root = await fakeRoot(t, {
    'proc/self/cgroup': '4:memory:/m\n2:cpu,cpuacct:/c\n0::/\n',
    'sys/fs/cgroup/cpu/c/cpu.cfs_quota_us': '75000\n',
    'sys/fs/cgroup/cpu/c/cpu.cfs_period_us': '100000\n',
    'sys/fs/cgroup/memory/m/memory.limit_in_bytes': `${128 * MiB}\n`,
    'sys/fs/cgroup/memory/m/memory.usage_in_bytes': `${100 * MiB}\n`,
    'sys/fs/cgroup/memory/m/memory.stat': `inactive_file 1\ntotal_inactive_file ${60 * MiB}\n`,
  });
  const stats = await createSystemStats(root).read();
  assert.equal(stats.cpuCores, 0.75);
  assert.equal(stats.memoryLimitBytes, 128 * MiB);
  assert.equal(stats.memoryUsedBytes, 40 * MiB);
});

test('groups without a limit, broken files and no files at all give the figures of the machine', async (t) => {
  const unlimited = {
    'proc/self/cgroup': '0::/\n',
    'sys/fs/cgroup/cpu.max': 'max 100000\n',
    'sys/fs/cgroup/memory.max': 'max\n',
    'sys/fs/cgroup/memory.current': '5\n',
  };
  const unlimitedV1 = {
    'proc/self/cgroup': '1:memory:/\n2:cpu:/\n',
    'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n',
    'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
    'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
    'sys/fs/cgroup/memory/memory.usage_in_bytes': '5\n',
  };
  const broken = { 'proc/self/cgroup': 'what', 'sys/fs/cgroup/cpu.max': '', 'sys/fs/cgroup/memory.max': 'x' };
  for (const files of [unlimited, unlimitedV1, broken, {}]) {
    const stats = await createSystemStats(await fakeRoot(t, files)).read();
    assert.equal(stats.cpuCores, os.availableParallelism());
    assert.equal(stats.memoryLimitBytes, os.totalmem());
    assert.ok(stats.memoryUsedBytes > 0 && stats.memoryUsedBytes < stats.memoryLimitBytes);
    assert.ok(stats.cpuUtilizationRatio >= 0 && stats.cpuUtilizationRatio <= 1);
  }
});
