/**
 * A lock that one process at a time can hold, and that is free again the moment its process is gone, however it went. Node has no flock,
 * and a file with a process id outlives a crash (in a container the next server even has the same id), so an empty SQLite database is held
 * open in an exclusive transaction: the kernel takes its lock back. Used by task-folder.ts and by the processes that do the work of tasks.
 */
import { DatabaseSync } from 'node:sqlite';

const busy = 5;

/** Released by the returned function; undefined while somebody else, in this process or another one, holds it. @throws when it cannot be made. */
export function tryLock(path: string): (() => void) | undefined {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    // Nothing is ever written, so no journal has to lie beside it either.
    database.exec('PRAGMA journal_mode=MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === busy) return undefined;
    throw error;
  }
  let held = true;
  return () => {
    if (held) database.close();
    held = false;
  };
}
