/** The work of a task that does what its job says: ends well, ends badly in several ways, or does not end. For the tests of task-process.ts. */
import { getPriority } from 'node:os';
import { invalidInput } from '../../../core/errors.ts';
import { workAsTask } from '../task-child.ts';

workAsTask(async ({ act }: { readonly act: string }, { onProgress, signal }) => {
  onProgress({ share: 0.25, what: act });
  if (act === 'look') return { niceness: getPriority(), env: Object.keys(process.env), temporary: process.env.TMPDIR };
  if (act === 'refuse') throw invalidInput('data', 'data: has no rows.');
  if (act === 'bug') throw new TypeError('secret detail');
  if (act === 'exit') process.exit(7);
  if (act === 'spin') for (;;);
  // Something has to keep the process going.
  const timer = setInterval(() => {}, 1000);
  await new Promise((resolve) => signal.addEventListener('abort', resolve));
  clearInterval(timer);
  return { stopped: (signal.reason as Error).message };
});
