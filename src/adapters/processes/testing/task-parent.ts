/** A process that runs a task without end and says which process that is. For the tests of task-process.ts. */
import { readFileSync } from 'node:fs';
import { runTaskProcess } from '../task-process.ts';

const logger = { debug() {}, info() {}, warn() {}, error() {} };
const spec = { job: { act: 'wait' }, temporaryFolder: '/tmp', graceMs: 1000, logger };
runTaskProcess({ ...spec, entry: new URL('./odd-task.ts', import.meta.url) }, () => {
  const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8');
  process.send!(Number(children.trim().split(' ')[0]));
});
