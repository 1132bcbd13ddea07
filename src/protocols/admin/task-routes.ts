/**
 * Background tasks on the admin listener: asking for one, looking at them, calling one off, taking what it found. Called by admin-server.ts;
 * the composition root does the work. Answers at once, as what takes long is looked at later. A caller sees the tasks of the models it may
 * ask, and no others.
 */
import type { FastifyInstance } from 'fastify';
import { HotpathError } from '../../core/errors.ts';
import { isEnded } from '../../core/tasks/transitions.ts';
import type { Caller } from '../../ports/access.ts';
import type { Task } from '../../ports/task-store.ts';
import { type AuditDeps, audited } from '../audit.ts';
import { quote } from '../codecs/value-text.ts';
import { visibleTo } from '../model-scope.ts';
import { type OptimizeRequest, readOptimizeRequest } from './task-requests.ts';

export type { OptimizeRequest } from './task-requests.ts';

export interface TaskAdmin {
  /** Durable when it resolves. @throws MODEL_NOT_FOUND, INVALID_INPUT, OVERLOADED, UNSUPPORTED. */
  optimize(model: string, request: OptimizeRequest): Promise<Task>;
  /** Newest first. */
  list(): Promise<readonly Task[]>;
  find(id: string): Promise<Task | undefined>;
  /** HTML. */
  report(id: string): Promise<string | undefined>;
  /** The task as it is then. */
  cancel(id: string): Promise<Task | undefined>;
  /** @throws INVALID_INPUT where there is nothing to register, MODEL_NOT_FOUND, UNSUPPORTED. */
  register(task: Task): Promise<RegisteredVersion>;
}

export interface RegisteredVersion {
  readonly version: string;
  /** The newest version was this model already. */
  readonly wasThere: boolean;
  /** Now, or from the next request on. */
  readonly served: boolean;
  /** A sentence that says so, or why not. */
  readonly note: string;
}

export interface TaskRouteDeps extends AuditDeps {
  /** Absent: there are no such routes. */
  readonly tasks?: TaskAdmin | undefined;
}

const config = { role: 'operate' } as const;
/** The page has its own styles, needs nothing from elsewhere, and is not to speak for this listener. */
const reportPolicy = "sandbox; default-src 'none'; style-src 'unsafe-inline'";

interface TaskParams {
  readonly id: string;
}

export function addTaskRoutes(app: FastifyInstance, deps: TaskRouteDeps): void {
  const { tasks, logger } = deps;
  if (tasks === undefined) return;
  app.post<{ Params: { model: string } }>('/admin/models/:model/optimize', { config }, async (request, reply) => {
    const { body, params, caller } = request;
    const { model } = params;
    const asked = readOptimizeRequest(body);
    const target = asked.version === undefined ? model : `${model}/${asked.version}`;
    const task = await audited(deps, caller, 'task.optimize', target, () => tasks.optimize(model, asked));
    logger.info({ task: task.id, model, version: task.version }, 'background task asked for by the admin API');
    return reply.status(202).header('location', `/admin/tasks/${task.id}`).send(viewOf(task));
  });
  app.get('/admin/tasks', { config }, async ({ caller }) => {
    const named = (await tasks.list()).map((task) => ({ name: task.model, task }));
    return { tasks: visibleTo(caller, named).map(({ task }) => viewOf(task)) };
  });
  app.get<{ Params: TaskParams }>('/admin/tasks/:id', { config }, async ({ params, caller }) =>
    viewOf(await seen(tasks, caller, params.id)),
  );
  app.get<{ Params: TaskParams }>('/admin/tasks/:id/report', { config }, async ({ params, caller }, reply) => {
    const { id } = await seen(tasks, caller, params.id);
    const page = await tasks.report(id);
    if (page === undefined)
      throw new HotpathError('NOT_FOUND', 'The task has no report: there is one when it is done.');
    reply.header('content-security-policy', reportPolicy).type('text/html; charset=utf-8');
    return page;
  });
  app.post<{ Params: TaskParams }>('/admin/tasks/:id/cancel', { config }, async ({ params, caller }, reply) => {
    const { id } = await seen(tasks, caller, params.id);
    const cancel = async () => (await tasks.cancel(id)) ?? unknownTask(id);
    const task = await audited(deps, caller, 'task.cancel', id, cancel);
    logger.info({ task: id, model: task.model, state: task.state }, 'background task cancelled by the admin API');
    // One that runs takes a moment to end.
    return reply.status(isEnded(task) ? 200 : 202).send(viewOf(task));
  });
  app.post<{ Params: TaskParams }>('/admin/tasks/:id/register', { config }, async ({ params, caller }) => {
    const task = await seen(tasks, caller, params.id);
    const registered = await audited(deps, caller, 'task.register', task.id, () => tasks.register(task));
    const { version } = registered;
    logger.info({ task: task.id, model: task.model, version }, 'variant of a task registered by the admin API');
    return registered;
  });
}

/** One sentence for tasks that are not there and tasks that are none of the caller's business. @throws NOT_FOUND. */
async function seen(tasks: TaskAdmin, caller: Caller | undefined, id: string): Promise<Task> {
  const task = await tasks.find(id);
  const visible = task !== undefined && visibleTo(caller, [{ name: task.model }]).length > 0;
  return visible ? task : unknownTask(id);
}

function unknownTask(id: string): never {
  throw new HotpathError('NOT_FOUND', `There is no task ${quote(id)}; GET /admin/tasks lists them.`);
}

/** As clients see it: times as RFC 3339, and `stopping` for one that was cancelled but still runs. */
function viewOf(task: Task) {
  const { id, kind, model, version, state, createdMs, startedMs, finishedMs, request, result, error } = task;
  const stopping = task.cancelAsked === true && !isEnded(task);
  const progress = stopping ? { ...task.progress, what: 'stopping' } : task.progress;
  return {
    id,
    kind,
    model,
    version,
    state,
    progress,
    createdAt: timeOf(createdMs),
    startedAt: timeOf(startedMs),
    finishedAt: timeOf(finishedMs),
    request,
    result,
    error,
  };
}

function timeOf(unixMs: number | undefined): string | undefined {
  return unixMs === undefined ? undefined : new Date(unixMs).toISOString();
}
