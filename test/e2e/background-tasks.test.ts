/** Models optimized in the background of a real server: from the request to the served version, and through every way a server may end. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../src/cli/free-port.ts';
import { fixture, withoutFixtures } from './support/fixtures.ts';
import { get, modelFolder, post, serve } from './support/serve.ts';
import { startServerProcess } from './support/server-process.ts';
import {
  ask,
  endless,
  netServer,
  predictedBy,
  quick,
  rows,
  type Shown,
  storeNet,
  taskFolder,
  whenEnded,
  whenRunning,
  whenWorking,
} from './support/tasks.ts';

function childrenLeft(models: string): string {
  const { stdout } = spawnSync('ps', ['-eo', 'args'], { encoding: 'utf8' });
  return stdout
    .split('\n')
    .filter((line) => line.includes(models))
    .join('\n');
}

describe('a model optimized in the background', () => {
  it('becomes the next version, which is served at once where the model is loaded', async (test) => {
    const server = await netServer(test);
    const before = await predictedBy(server);
    assert.equal(before.version, '1');
    const lines = rows.map((features, index) => JSON.stringify({ features, y: index % 4 }));
    writeFileSync(join(server.models, 'net', 'rows.jsonl'), lines.join('\n'));
    const accepted = await ask(server.adminUrl, 'net', { ...quick, file: 'rows.jsonl', labels: 'y', maxDrop: 0.5 });
    assert.deepEqual([accepted.state, accepted.request.version, accepted.request.register], ['waiting', '1', true]);
    const { state, error, result } = await whenEnded(server.adminUrl, accepted.id);
    assert.deepEqual([state, error], ['done', undefined]);
    const { chosen, data, registered, variants } = result;
    assert.deepEqual([chosen, data.labelled, data.title], ['fp16-weights', true, 'rows.jsonl, 200 rows']);
    assert.deepEqual(registered, { version: '2', wasThere: false, served: true, note: 'Version 2 is served.' });
    assert.deepEqual(
      variants.map((one: { id: string }) => one.id),
      ['original', 'fp16-weights'],
    );
    assert.ok(variants[1].sizeBytes < 0.6 * variants[0].sizeBytes);
    assert.ok(!JSON.stringify(result).includes(server.models));
    const after = await predictedBy(server);
    assert.equal(after.version, '2');
    const page = await fetch(`${server.adminUrl}/admin/tasks/${accepted.id}/report`);
    assert.match(await page.text(), /net, version 1/);
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    assert.match(metrics, /hotpath_tasks\{state="done"\} 1/);
    const again = await post(`${server.adminUrl}/admin/tasks/${accepted.id}/register`, {});
    assert.deepEqual(again.body.error.message, 'id: its variant is version 2 of the model already.');
    const folder = taskFolder(server.models, accepted.id);
    assert.deepEqual(readdirSync(folder).sort(), ['report.html', 'report.json', 'task.json']);
  });

  it('stays in the folder of the task where it is not to be registered', async (test) => {
    const server = await netServer(test);
    const { id } = await ask(server.adminUrl, 'net', { ...quick, register: false });
    const { result } = await whenEnded(server.adminUrl, id);
    assert.deepEqual([result.chosen, result.registered], ['fp16-weights', undefined]);
    assert.deepEqual(readdirSync(join(server.models, 'net')), ['1']);
    assert.ok(existsSync(join(taskFolder(server.models, id), 'models', 'net', '1', 'model.onnx')));
  });

  it('is not served where the version policy names others, and the result says so', async (test) => {
    const server = await netServer(test);
    writeFileSync(join(server.models, 'net', 'model.json'), JSON.stringify({ versionPolicy: ['1'] }));
    const { id } = await ask(server.adminUrl, 'net', quick);
    const { result } = await whenEnded(server.adminUrl, id);
    assert.deepEqual([result.registered.version, result.registered.served], ['2', false]);
    assert.match(result.registered.note, /versionPolicy of the model does not serve it/);
  });

  it('is judged on what clients sent, where the prediction log has it', async (test) => {
    const models = await modelFolder();
    storeNet(models);
    const server = await serve(models, { predictionLog: 'stored', databaseUrl: `sqlite:${models}/log.db` });
    test.after(() => server.stop());
    const none = await post(`${server.adminUrl}/admin/models/net/optimize`, { hours: 1 });
    assert.deepEqual([none.status, none.body.error.details.field], [400, 'hours']);
    for (const features of rows.slice(0, 20)) {
      await post(`${server.url}/api/v1/predict`, { model: 'net', features });
    }
    const batch = await post(`${server.url}/api/v1/predict/batch`, { model: 'net', instances: rows.slice(20, 100) });
    assert.equal(batch.status, 200);
    const { id, request } = await ask(server.adminUrl, 'net', { ...quick, hours: 1 });
    assert.deepEqual([request.hours, request.top], [1, 2000]);
    const inputs = readFileSync(join(taskFolder(models, id), 'inputs.jsonl'), 'utf8')
      .trimEnd()
      .split('\n');
    const sent = new Set(rows.slice(0, 100).map((row) => JSON.stringify(row)));
    assert.deepEqual(new Set(inputs.map((line) => JSON.stringify(JSON.parse(line).inputs.features.data))), sent);
    const { state, result } = await whenEnded(server.adminUrl, id);
    assert.deepEqual([state, result.data.title, result.data.synthetic], ['done', 'inputs.jsonl, 100 rows', false]);
  });

  it('is judged on a folder of pictures in its own folder', { skip: withoutFixtures }, async (test) => {
    const server = await netServer(test);
    const folder = join(server.models, 'detector');
    mkdirSync(join(folder, '1'), { recursive: true });
    copyFileSync(fixture('detect/yolox_nano/yolox_nano.onnx'), join(folder, '1', 'model.onnx'));
    cpSync(fixture('detect/coco_val2017'), join(folder, 'photos'), { recursive: true });
    const asked = { ...quick, file: 'photos', image: 'yolox' };
    const wrong = await post(`${server.adminUrl}/admin/models/detector/optimize`, { ...asked, image: 'yolo9' });
    assert.deepEqual([wrong.status, wrong.body.error.details.field], [400, 'image']);
    const away = await post(`${server.adminUrl}/admin/models/detector/optimize`, { ...asked, file: '1/model.onnx' });
    assert.deepEqual([away.status, away.body.error.details.field], [400, 'file']);
    const { id } = await ask(server.adminUrl, 'detector', asked);
    const { state, result } = await whenEnded(server.adminUrl, id);
    assert.deepEqual([state, result.task, result.chosen], ['done', 'detection', 'fp16-weights']);
    assert.deepEqual([result.data.title, result.registered.version], ['photos, 9 pictures', '2']);
  });

  it('is refused before it is accepted where something is wrong, and fails with a sentence where that shows later', async (test) => {
    const server = await netServer(test);
    const folder = join(server.models, 'net');
    mkdirSync(join(server.models, 'far', '1'), { recursive: true });
    const remote = { engine: 'remote', upstream: { addresses: ['http://127.0.0.1:1'] } };
    writeFileSync(join(server.models, 'far', 'model.json'), JSON.stringify(remote));
    const refused = async (model: string, body: object) => {
      const answer = await post(`${server.adminUrl}/admin/models/${model}/optimize`, body);
      return [answer.status, answer.body.error.code, answer.body.error.details?.field];
    };
    assert.deepEqual(await refused('none', {}), [404, 'MODEL_NOT_FOUND', 'model']);
    assert.deepEqual(await refused('net', { version: '7' }), [404, 'MODEL_NOT_FOUND', 'version']);
    assert.deepEqual(await refused('far', {}), [400, 'INVALID_INPUT', 'model']);
    assert.deepEqual(await refused('net', { passes: ['magic'] }), [400, 'INVALID_INPUT', 'passes']);
    assert.deepEqual(await refused('net', { hours: 1 }), [400, 'INVALID_INPUT', 'hours']);
    for (const file of ['../other', '/etc/passwd', 'absent.npz', '1', 'a\0b']) {
      assert.deepEqual(await refused('net', { file }), [400, 'INVALID_INPUT', 'file'], file);
    }
    assert.deepEqual((await get(`${server.adminUrl}/admin/tasks`)).body, { tasks: [] });
    assert.equal(existsSync(join(server.models, '.tasks')), false);
    writeFileSync(join(folder, 'rows.csv'), 'a,b\n1,x\n');
    const { id } = await ask(server.adminUrl, 'net', { ...quick, file: 'rows.csv' });
    const { state, error } = await whenEnded(server.adminUrl, id);
    assert.deepEqual([state, error!.code], ['failed', 'INVALID_INPUT']);
    assert.ok(!error!.message.includes(server.models));
  });
});

describe('a task', () => {
  it('is ended with its processes when it is cancelled, and the next one has its turn', async (test) => {
    const server = await netServer(test);
    const first = await ask(server.adminUrl, 'net', endless);
    const second = await ask(server.adminUrl, 'net', { ...quick, register: false });
    const third = await ask(server.adminUrl, 'net', endless);
    await whenRunning(server.adminUrl, first.id);
    const cancel = (id: string) => post(`${server.adminUrl}/admin/tasks/${id}/cancel`, {});
    assert.deepEqual([(await cancel(third.id)).status, (await cancel(third.id)).body.state], [200, 'cancelled']);
    const answer = await cancel(first.id);
    assert.deepEqual([answer.status, answer.body.progress.what], [202, 'stopping']);
    assert.equal((await whenEnded(server.adminUrl, first.id)).state, 'cancelled');
    assert.equal((await whenEnded(server.adminUrl, second.id)).state, 'done');
    assert.deepEqual(
      (await get(`${server.adminUrl}/admin/tasks`)).body.tasks.map(({ id }: Shown) => id),
      [third.id, second.id, first.id],
    );
    assert.deepEqual(readdirSync(taskFolder(server.models, first.id)).sort(), ['cancel', 'task.json']);
  });

  it('goes back to waiting when its server stops, and is done by the next one', async (test) => {
    const models = await modelFolder();
    storeNet(models);
    test.after(() => rmSync(models, { recursive: true, force: true }));
    const before = await serve(models);
    const blocking = await ask(before.adminUrl, 'net', endless);
    const { id } = await ask(before.adminUrl, 'net', quick);
    await whenWorking(before.adminUrl, blocking.id);
    await before.drain();
    await before.close();
    const kept = JSON.parse(readFileSync(join(taskFolder(models, blocking.id), 'task.json'), 'utf8'));
    assert.deepEqual([kept.state, kept.progress.what, kept.deaths], ['waiting', 'waiting to go on', 0]);
    const after = await serve(models);
    try {
      await whenRunning(after.adminUrl, blocking.id);
      await post(`${after.adminUrl}/admin/tasks/${blocking.id}/cancel`, {});
      const { state, result } = await whenEnded(after.adminUrl, id);
      assert.deepEqual([state, result.registered.version], ['done', '2']);
    } finally {
      await after.close();
    }
  });

  it('is tried once more after its process was killed, then given up', {
    skip: process.platform !== 'linux',
  }, async (test) => {
    const server = await netServer(test);
    const { id } = await ask(server.adminUrl, 'net', endless);
    for (let death = 0; death < 2; death++) {
      await whenRunning(server.adminUrl, id);
      process.kill(await taskProcess(process.pid), 'SIGKILL');
    }
    const { state, error } = await whenEnded(server.adminUrl, id);
    assert.deepEqual([state, error!.code], ['failed', 'ENGINE_CRASHED']);
    assert.match(error!.message, /died 2 times, the last time by signal SIGKILL/);
  });
});

/** The child of `parent` that does the work of a task, once there is one that was not seen before. */
const seen = new Set<number>();
async function taskProcess(parent: number): Promise<number> {
  for (;;) {
    const { stdout } = spawnSync('ps', ['-eo', 'pid,ppid,args'], { encoding: 'utf8' });
    for (const line of stdout.split('\n')) {
      const [, pid, ppid] = /^\s*(\d+)\s+(\d+)\s.*server-task-child/.exec(line) ?? [];
      if (Number(ppid) !== parent || seen.has(Number(pid))) continue;
      seen.add(Number(pid));
      return Number(pid);
    }
    await delay(20);
  }
}

describe('tasks of a server of two processes', { skip: process.platform !== 'linux' }, () => {
  it('are run by one, listed by both, and survive the death of the server', async (test) => {
    const models = await modelFolder();
    storeNet(models);
    let child: ChildProcess | undefined;
    test.after(() => {
      child?.kill('SIGKILL');
      rmSync(models, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    });
    const adminPort = await freePort();
    const adminUrl = `http://127.0.0.1:${adminPort}`;
    const start = async () => {
      const server = await startServerProcess(models, ['--workers', '2', '--admin-port', String(adminPort)]);
      child = server.child;
      return server;
    };
    await start();
    const passes = ['fp16-weights', 'dynamic-int8', 'weight-int8', 'static-int8'];
    const many = await ask(adminUrl, 'net', { passes, seconds: 0.1, target: 'size', maxDrop: 1 });
    const next = await ask(adminUrl, 'net', { ...quick, register: false });
    await whenWorking(adminUrl, many.id);
    const ended = once(child!, 'exit');
    child!.kill('SIGKILL');
    await ended;
    // Its processes end because their channel to it closes, and so does that of the task.
    while (childrenLeft(models) !== '') await delay(20);
    const { url } = await start();
    const done = await whenEnded(adminUrl, many.id);
    assert.deepEqual([done.state, done.result.registered.version], ['done', '2']);
    assert.equal((await whenEnded(adminUrl, next.id)).state, 'done');
    assert.deepEqual(readdirSync(join(models, 'net')).sort(), ['1', '2']);
    assert.equal((await predictedBy({ url })).version, '2');
    const metrics = await (await fetch(`${url}/metrics`)).text();
    assert.match(metrics, /hotpath_tasks\{state="done"\} 2/);
    const stopped = once(child!, 'exit');
    child!.kill('SIGTERM');
    assert.deepEqual(await stopped, [0, null]);
  });
});
