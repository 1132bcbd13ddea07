/** The raw session loop as a contender: same model, same threads, no server between. */
import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { machineBusySeconds } from './machine-load.ts';
import type { Measurement } from './measure.ts';
import type { RawOrder, RawReply } from './peers/raw-loop.ts';
import { cpuSeconds } from './processes.ts';
import type { Contender } from './rounds.ts';
import { median, percentile } from './stats.ts';
import type { BenchModel } from './workspace.ts';

export class RawLoop {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Ready when every session has run once. */
  static async start(model: BenchModel, sessions: number, intraOpThreads: number): Promise<RawLoop> {
    const args = [model.path, JSON.stringify(model.rowShape), String(intraOpThreads), String(sessions)];
    const child = fork(new URL('./peers/raw-loop.ts', import.meta.url), args);
    await once(child, 'message');
    return new RawLoop(child);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  async run(order: RawOrder): Promise<RawReply> {
    const reply = once(this.#child, 'message');
    this.#child.send(order);
    return (await reply)[0] as RawReply;
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.disconnect();
    await exited;
  }
}

export const rawLoopName = 'raw session loop';

export function rawLoopContender(model: BenchModel, sessions: number, intraOpThreads: number): Contender {
  return {
    name: rawLoopName,
    start: async () => {
      const loop = await RawLoop.start(model, sessions, intraOpThreads);
      return {
        // It is the same call that computed the right answers.
        verify: () => Promise.resolve(),
        measure: async (seconds) => {
          const cpuBefore = cpuSeconds(loop.pid);
          const busyBefore = machineBusySeconds();
          const reply = await loop.run({ seconds });
          return toMeasurement(reply, cpuSeconds(loop.pid) - cpuBefore, machineBusySeconds() - busyBefore);
        },
        stop: () => loop.stop(),
      };
    },
  };
}

function toMeasurement({ runMs, elapsedMs }: RawReply, usedSeconds: number, busySeconds: number): Measurement {
  return {
    requestsPerSecond: (runMs.length / elapsedMs) * 1000,
    p50Ms: median(runMs),
    p99Ms: percentile(runMs, 99),
    maxMs: Math.max(...runMs),
    failures: 0,
    clientCpuShare: Number.NaN,
    serverCpuUs: (usedSeconds / runMs.length) * 1e6,
    foreignCpuShare: Math.max(0, ((busySeconds - usedSeconds) * 1000) / elapsedMs),
  };
}
