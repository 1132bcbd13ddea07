/** A process that takes the lock it is told, says whether it has it, and holds it until it is killed. For the tests of the lock. */
import { tryLock } from '../folder-lock.ts';

const release = tryLock(process.argv[2]!);
process.send!(release !== undefined);
process.on('disconnect', () => release?.());
