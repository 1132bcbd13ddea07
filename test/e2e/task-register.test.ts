/** Variants that tasks kept to themselves, registered afterwards over the admin listener of a real server. */
import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { post } from './support/serve.ts';
import { ask, endless, netServer, predictedBy, quick, taskFolder, whenEnded } from './support/tasks.ts';

test('what a task kept to itself becomes the next version when somebody asks for it, once', async (context) => {
  const server = await netServer(context);
  const { id } = await ask(server.adminUrl, 'net', { ...quick, register: false });
  await whenEnded(server.adminUrl, id);
  assert.equal((await predictedBy(server)).version, '1');
  const register = () => post(`${server.adminUrl}/admin/tasks/${id}/register`, {});
  // Both at once: they agree on one version.
  const both = await Promise.all([register(), register()]);
  assert.deepEqual(
    both.map(({ status, body }) => [status, body.version, body.served]),
    [
      [200, '2', true],
      [200, '2', true],
    ],
  );
  assert.equal((await predictedBy(server)).version, '2');
  assert.deepEqual(readdirSync(join(server.models, 'net')).sort(), ['1', '2']);
  const again = await register();
  assert.deepEqual([again.status, again.body.wasThere], [200, true]);
  const refused = async (task: string) => {
    const { status, body } = await post(`${server.adminUrl}/admin/tasks/${task}/register`, {});
    return [status, body.error.message];
  };
  const best = await ask(server.adminUrl, 'net', quick);
  await whenEnded(server.adminUrl, best.id);
  assert.deepEqual(await refused(best.id), [400, 'id: the original is best, and no variant was kept.']);
  rmSync(join(taskFolder(server.models, id), 'models'), { recursive: true });
  assert.deepEqual(await refused(id), [400, 'id: its variant is not there any more.']);
  const running = await ask(server.adminUrl, 'net', endless);
  assert.match(String((await refused(running.id))[1]), /^id: the task is (waiting|running)\.$/);
  await post(`${server.adminUrl}/admin/tasks/${running.id}/cancel`, {});
  assert.equal((await refused('x'))[0], 404);
});
