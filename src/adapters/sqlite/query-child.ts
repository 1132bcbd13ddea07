/**
 * The process in which SELECTs of operators run: SQLite's Node binding cannot interrupt a statement, and a thread inside one cannot be
 * ended, but a process can be killed. Started by query-process.ts. The statements run on a thread, so that this process notices
 * at once when its parent is gone, and leaves, however long the statement would have gone on.
 */
import { Worker } from 'node:worker_threads';

const [file] = process.argv.slice(2);
const entry = new URL(import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js', import.meta.url);
const thread = new Worker(entry, { workerData: { file, mode: 'read' } });

thread.on('message', (message) => process.send!(message));
process.on('message', (message) => thread.postMessage(message));
// Ctrl-C in a terminal reaches every process of the group; the parent still wants answers while it drains.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
