import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import Fastify, { type InjectOptions } from 'fastify';
import { HotpathError, toHotpathError } from '../../core/errors.ts';
import { cancelled, newTask, started, succeeded } from '../../core/tasks/transitions.ts';
import type { Caller } from '../../ports/access.ts';
import type { AuditEntry } from '../../ports/key-store.ts';
import type { Task } from '../../ports/task-store.ts';
import { errorBody, statusOf } from '../http-errors.ts';
import { readOptimizeRequest } from './task-requests.ts';
import { addTaskRoutes, type TaskAdmin } from './task-routes.ts';

const make = (id: string, model: string) =>
  newTask({ id, kind: 'optimize', model, version: '3', createdMs: 1_795_267_748_340, request: { version: '3' } });

function setUp({ tasks = [make('a', 'net')], caller }: { tasks?: Task[]; caller?: Partial<Caller> } = {}) {
  const asked: unknown[] = [];
  const admin: TaskAdmin = {
    optimize: async (model, request) => {
      asked.push([model, request]);
      if (model === 'none') throw new HotpathError('MODEL_NOT_FOUND', 'There is no model "none".');
      return make('new', model);
    },
    list: async () => tasks,
    find: async (id) => tasks.find((task) => task.id === id),
    report: async (id) => (id === 'done' ? '<p>report</p>' : undefined),
    cancel: async (id) => {
      asked.push(['cancel', id]);
      const task = tasks.find((one) => one.id === id)!;
      if (task.state === 'running') return { ...task, cancelAsked: true };
      return task.state === 'waiting' ? cancelled(task, 1_795_267_750_000) : task;
    },
    register: async ({ id }) => {
      asked.push(['register', id]);
      if (id !== 'done') throw new HotpathError('INVALID_INPUT', 'id: the task is waiting.');
      return { version: '4', wasThere: false, served: true, note: 'Version 4 is served.' };
    },
  };
  const app = Fastify();
  app.setErrorHandler((thrown, _request, reply) => {
    const error = toHotpathError(thrown);
    return reply.status(statusOf[error.code]).send(errorBody(error));
  });
  const silent = () => {};
  const written: string[] = [];
  const audit = {
    append: async ({ action, target, outcome }: AuditEntry) => void written.push(`${action} ${target} ${outcome}`),
  };
  app.addHook('onRequest', async (request) => {
    request.caller = caller as Caller | undefined;
  });
  addTaskRoutes(app, { tasks: admin, audit, logger: { debug: silent, info: silent, warn: silent, error: silent } });
  const post = (url: string, payload?: unknown) =>
    app.inject({
      method: 'POST',
      url,
      ...(payload === undefined ? {} : { payload: payload as InjectOptions['payload'] & {} }),
    });
  return { app, asked, written, post, get: (url: string) => app.inject({ url }) };
}

test('a task is accepted with its address, as it will be shown there', async () => {
  const { post, asked, written } = setUp();
  const answer = await post('/admin/models/net/optimize');
  assert.deepEqual([answer.statusCode, answer.headers.location], [202, '/admin/tasks/new']);
  assert.deepEqual(answer.json(), {
    id: 'new',
    kind: 'optimize',
    model: 'net',
    version: '3',
    state: 'waiting',
    progress: { share: 0, what: 'waiting' },
    createdAt: '2026-11-21T13:29:08.340Z',
    request: { version: '3' },
  });
  const everything = {
    version: 3,
    file: 'rows.npz',
    labels: 'y',
    image: 'unit',
    imageSize: '8x8',
    maxDrop: 0.02,
    target: 'size',
    task: 'classification',
    passes: ['static-int8'],
    seconds: 2,
    register: false,
  };
  assert.equal((await post('/admin/models/net/optimize', everything)).statusCode, 202);
  assert.equal((await post('/admin/models/net/optimize', { hours: 24, top: 500 })).statusCode, 202);
  assert.equal((await post('/admin/models/none/optimize', {})).statusCode, 404);
  assert.deepEqual(asked, [
    ['net', {}],
    ['net', { ...everything, version: '3' }],
    ['net', { hours: 24, top: 500 }],
    ['none', {}],
  ]);
  assert.deepEqual(written, [
    'task.optimize net OK',
    'task.optimize net/3 OK',
    'task.optimize net OK',
    'task.optimize none MODEL_NOT_FOUND',
  ]);
});

test('what is wrong in a request is refused by the name of its field', async () => {
  const { post, asked } = setUp();
  const wrong: readonly (readonly [unknown, string])[] = [
    [[], 'body'],
    ['"text"', 'body'],
    [{ speed: 3 }, 'speed'],
    [{ version: null }, 'version'],
    [{ file: '' }, 'file'],
    [{ file: 'a.npz', hours: 3 }, 'hours'],
    [{ hours: 0 }, 'hours'],
    [{ hours: '24' }, 'hours'],
    [{ top: 10 }, 'top'],
    [{ hours: 1, top: 10_001 }, 'top'],
    [{ hours: 1, top: 1.5 }, 'top'],
    [{ labels: 'y' }, 'labels'],
    [{ image: 'unit' }, 'image'],
    [{ file: 'photos', image: 3 }, 'image'],
    [{ file: 'photos', imageSize: '8x8' }, 'imageSize'],
    [{ file: 'a.npz', labels: 7 }, 'labels'],
    [{ maxDrop: '1%' }, 'maxDrop'],
    [{ maxDrop: 1.1 }, 'maxDrop'],
    [{ target: 'beauty' }, 'target'],
    [{ task: 'ranking' }, 'task'],
    [{ passes: 'int8' }, 'passes'],
    [{ passes: [] }, 'passes'],
    [{ passes: ['a', 2] }, 'passes[1]'],
    [{ seconds: 0 }, 'seconds'],
    [{ seconds: 3601 }, 'seconds'],
    [{ register: 'yes' }, 'register'],
  ];
  for (const [body, field] of wrong) {
    const payload = typeof body === 'string' ? undefined : body;
    const answer =
      payload === undefined
        ? await setUp().app.inject({
            method: 'POST',
            url: '/admin/models/net/optimize',
            headers: { 'content-type': 'application/json' },
            payload: body as string,
          })
        : await post('/admin/models/net/optimize', payload);
    assert.deepEqual([answer.statusCode, answer.json().error.details.field], [400, field], JSON.stringify(body));
  }
  assert.deepEqual(asked, []);
});

test('a body is either refused with a field or read into what was given', () => {
  const fields = fc.record(
    {
      hours: fc.anything(),
      top: fc.anything(),
      file: fc.anything(),
      labels: fc.anything(),
      maxDrop: fc.anything(),
      passes: fc.anything(),
      register: fc.anything(),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.oneof(fields, fc.anything()), (body) => {
      try {
        const read = readOptimizeRequest(body);
        assert.ok(Object.values(read).every((value) => value !== undefined));
        assert.ok(read.maxDrop === undefined || (read.maxDrop >= 0 && read.maxDrop <= 1));
        assert.ok(!(read.file !== undefined && read.hours !== undefined));
      } catch (error) {
        assert.ok(
          error instanceof HotpathError && error.code === 'INVALID_INPUT' && error.details!.field !== undefined,
        );
      }
    }),
  );
});

test('tasks are shown with their times, and whether one is being stopped', async () => {
  const running = { ...started(make('run', 'net'), 1_795_267_749_000), cancelAsked: true };
  const ended = { ...succeeded(running, { chosen: null }, 1_795_267_750_000), cancelAsked: true };
  const { get } = setUp({ tasks: [running, { ...ended, id: 'done' }] });
  const { tasks } = (await get('/admin/tasks')).json();
  assert.deepEqual(
    tasks.map(({ id, state, progress }: Task) => [id, state, progress.what]),
    [
      ['run', 'running', 'stopping'],
      ['done', 'done', 'done'],
    ],
  );
  const one = (await get('/admin/tasks/done')).json();
  assert.deepEqual(one, tasks[1]);
  assert.deepEqual([one.startedAt, one.finishedAt], ['2026-11-21T13:29:09.000Z', '2026-11-21T13:29:10.000Z']);
  assert.deepEqual([one.result, 'deaths' in one, 'cancelAsked' in one], [{ chosen: null }, false, false]);
});

test('the report is a page that can do nothing but show itself', async () => {
  const { get } = setUp({ tasks: [make('done', 'net'), make('a', 'net')] });
  const page = await get('/admin/tasks/done/report');
  assert.deepEqual([page.statusCode, page.body], [200, '<p>report</p>']);
  assert.equal(page.headers['content-type'], 'text/html; charset=utf-8');
  assert.match(String(page.headers['content-security-policy']), /^sandbox; default-src 'none'/);
  const none = await get('/admin/tasks/a/report');
  assert.deepEqual([none.statusCode, none.json().error.code], [404, 'NOT_FOUND']);
});

test('a task that waits is cancelled at once, one that runs is on its way, one that has ended stays', async () => {
  const running = started(make('run', 'net'), 5);
  const ended = succeeded({ ...running, id: 'done' }, {}, 6);
  const { post, written } = setUp({ tasks: [make('wait', 'net'), running, ended] });
  const states: unknown[] = [];
  for (const id of ['wait', 'run', 'done', 'none']) {
    const answer = await post(`/admin/tasks/${id}/cancel`);
    states.push([answer.statusCode, answer.json().state, answer.json().progress?.what]);
  }
  assert.deepEqual(states, [
    [200, 'cancelled', 'waiting'],
    [202, 'running', 'stopping'],
    [200, 'done', 'done'],
    [404, undefined, undefined],
  ]);
  assert.deepEqual(written, ['task.cancel wait OK', 'task.cancel run OK', 'task.cancel done OK']);
});

test('a variant is registered by the task that found it, or the reason why not is given', async () => {
  const { post, asked, written } = setUp({ tasks: [make('done', 'net'), make('wait', 'net')] });
  const answer = await post('/admin/tasks/done/register');
  const version = { version: '4', wasThere: false, served: true, note: 'Version 4 is served.' };
  assert.deepEqual([answer.statusCode, answer.json()], [200, version]);
  const refused = await post('/admin/tasks/wait/register', {});
  assert.deepEqual([refused.statusCode, refused.json().error.message], [400, 'id: the task is waiting.']);
  assert.equal((await post('/admin/tasks/none/register')).statusCode, 404);
  assert.deepEqual(asked, [
    ['register', 'done'],
    ['register', 'wait'],
  ]);
  assert.deepEqual(written, ['task.register done OK', 'task.register wait INVALID_INPUT']);
});

test('a caller sees and cancels the tasks of its models; others are as if they were not there', async () => {
  const tasks = [make('mine', 'fraud-1'), make('theirs', 'net')];
  const { get, post, asked } = setUp({ tasks, caller: { id: 'ann', role: 'operate', models: ['fraud-*'] } });
  const listed = (await get('/admin/tasks')).json().tasks;
  assert.deepEqual(
    listed.map(({ id }: Task) => id),
    ['mine'],
  );
  assert.equal((await get('/admin/tasks/mine')).statusCode, 200);
  const sentence = (id: string) => `There is no task "${id}"; GET /admin/tasks lists them.`;
  for (const id of ['theirs', 'none']) {
    for (const answer of [
      await get(`/admin/tasks/${id}`),
      await get(`/admin/tasks/${id}/report`),
      await post(`/admin/tasks/${id}/cancel`),
      await post(`/admin/tasks/${id}/register`),
    ]) {
      assert.deepEqual([answer.statusCode, answer.json().error.message], [404, sentence(id)]);
    }
  }
  assert.deepEqual(asked, []);
});
