/** Background tasks as tables and sentences for the terminal. Called by tasks.ts and follow-task.ts. Pure. */
import { bytes, milliseconds } from './optimize-table.ts';
import { renderDuration } from './progress-line.ts';
import { renderTable } from './table.ts';
import type { TaskView, VariantView } from './task-view.ts';
import type { Style } from './terminal.ts';

type Bold = Pick<Style, 'bold'>;

export function renderTasks(tasks: readonly TaskView[], nowMs: number, style: Bold): string {
  if (tasks.length === 0) return 'No tasks. Ask for one: hotpath optimize <model> --background';
  const rows = tasks.map((task) => [
    task.id,
    task.kind,
    `${task.model} ${task.version}`,
    task.state,
    task.state === 'running' ? `${Math.floor(100 * task.progress.share)} %` : '',
    `${renderDuration(nowMs - Date.parse(task.createdAt))} ago`,
    remark(task),
  ]);
  return renderTable(['TASK', 'KIND', 'MODEL', 'STATE', 'DONE', 'ASKED', ''], rows, style);
}

/** What happens, or how it ended, in a few words. */
function remark({ state, progress, result, error }: TaskView): string {
  if (state === 'running' || state === 'waiting') return progress.what === state ? '' : progress.what;
  if (error !== undefined) return error.message;
  if (result === undefined) return '';
  const { chosen, variants, registered } = result;
  if (chosen === null) return 'the original is best';
  const title = variants.find(({ id }) => id === chosen)?.title ?? chosen;
  return registered === undefined ? title : `${title}, version ${registered.version}`;
}

export function renderTask(task: TaskView, style: Bold): string {
  const { id, kind, model, version, state, progress, createdAt, startedAt, finishedAt, result, error } = task;
  const fields = [
    ['Task', id],
    ['Kind', kind],
    ['Model', `${model} ${version}`],
    ['State', state],
    ...(state === 'running' ? [['Done', `${Math.floor(100 * progress.share)} %, ${progress.what}`]] : []),
    ['Asked', createdAt],
    ...(startedAt === undefined ? [] : [['Started', startedAt]]),
    ...(finishedAt === undefined ? [] : [['Ended', finishedAt]]),
    ...(error === undefined ? [] : [['Error', `${error.code}: ${error.message}`]]),
  ];
  const head = fields.map(([name, value]) => `${name!.padEnd(8)} ${value}`).join('\n');
  return [head, ...(result === undefined ? [] : resultParts(id, result, style))].join('\n\n');
}

function resultParts(
  id: string,
  { chosen, choice, variants, notes = [], registered }: TaskView['result'] & {},
  style: Bold,
): string[] {
  const batches = variants[0]?.timings.map(({ batch }) => batch) ?? [];
  const headers = [
    '',
    'VARIANT',
    'SIZE',
    ...batches.map((batch) => `${batch} ${batch === 1 ? 'ROW' : 'ROWS'}`),
    'GATE',
  ];
  const rows = variants
    .filter(({ state }) => state !== 'unchanged')
    .map((variant) => [
      variant.id === chosen ? '>' : variant.pareto ? '*' : '',
      variant.title,
      variant.sizeBytes === 0 ? '-' : bytes(variant.sizeBytes),
      ...batches.map((batch) => timeCell(variant, batch)),
      variant.state === 'original' ? '' : variant.state,
    ]);
  const table = renderTable(headers, rows, style);
  const reasons = variants
    .filter(({ state, verdict }) => (state === 'refused' || state === 'failed') && verdict.reason !== '')
    .map(
      ({ title, state, verdict }) => `${title} ${state === 'refused' ? 'was refused' : 'failed'}: ${verdict.reason}`,
    );
  return [
    table,
    ...(reasons.length === 0 ? [] : [reasons.join('\n')]),
    ...notes,
    style.bold(choice),
    ...(registered?.note === undefined ? [] : [registered.note]),
    ...(chosen === null || registered !== undefined ? [] : [`To serve it: hotpath tasks register ${id}`]),
  ];
}

function timeCell({ timings, state }: VariantView, batch: number): string {
  const timing = timings.find((one) => one.batch === batch);
  if (timing === undefined) return '-';
  const text = milliseconds(timing.ms.median);
  return state === 'original' ? text : `${text} ${timing.speedup.median.toFixed(2)}x`;
}
