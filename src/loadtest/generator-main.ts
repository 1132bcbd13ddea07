/** The load generator's own process: takes jobs from its parent one at a time and answers with reports. Started by generator.ts. */
import { runClosedLoop } from './closed-loop.ts';
import type { LoadJob } from './load-job.ts';
import { runOpenLoop } from './open-loop.ts';

process.on('message', (job: LoadJob) => {
  const run = job.kind === 'closed' ? runClosedLoop(job) : runOpenLoop(job);
  run.then(
    (report) => process.send?.({ report }),
    (error: unknown) => process.send?.({ error: error instanceof Error ? error.message : String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
