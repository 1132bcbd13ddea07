/**
 * A process that uses a database until it is killed. `migrate`: applies what is pending and prints it. `insert`: inserts from several
 * callers at once and prints every id that was acknowledged, in a way that survives its own SIGKILL.
 */
import { writeSync } from 'node:fs';
import { systemClock } from '../../../src/adapters/system-clock.ts';
import { openDatabase } from '../../../src/server-database.ts';
import { prediction, silentLogger } from './predictions.ts';

const [url, action, model] = process.argv.slice(2);
const database = await openDatabase({ url: url!, clock: systemClock, logger: silentLogger });

async function insertForEver(rows: number): Promise<never> {
  for (;;) {
    const records = Array.from({ length: rows }, () => prediction({ model: model! }));
    await database.predictions.insertMany(records);
    writeSync(1, `${records.map(({ id }) => id).join('\n')}\n`);
  }
}

if (action === 'migrate') {
  writeSync(1, JSON.stringify(await database.migrate()));
  await database.close();
} else {
  // Ends with the first failure: what was printed by then is what was promised.
  await Promise.all([1, 7, 50].map(insertForEver)).catch(() => process.exit(3));
}
