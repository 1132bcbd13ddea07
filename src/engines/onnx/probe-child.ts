/**
 * Entry of the disposable process that meets an unknown model first. Started by probe.ts with one message, answers with
 * one and is killed. May die at any moment: that is its purpose. Imports nothing the examination does not need.
 */
import { HotpathError } from '../../core/errors.ts';
import type { ProbeReport } from '../../ports/engine.ts';
import type { ProbeJob, ProbeStage } from './probe-job.ts';
import { examine } from './probe-job.ts';

export type ProbeMessage =
  | { readonly stage: ProbeStage }
  | { readonly report: ProbeReport }
  | { readonly failed: string };

const send = (message: ProbeMessage): void => {
  process.send?.(message);
};

process.once('message', (job: ProbeJob) => {
  examine(job, Math.random, (stage) => send({ stage })).then(
    (report) => send({ report }),
    (error: unknown) => {
      if (!(error instanceof HotpathError)) throw error;
      send({ failed: error.message });
    },
  );
});

// A parent that died needs no answer.
process.once('disconnect', () => process.exit());
