/**
 * Open loop: requests leave when the schedule says, whatever the server does, and latency counts from the intended time, so
 * a stall is charged to every request that should have been sent in it. Beyond the cap on requests in flight they are dropped
 * and counted; timeouts are recorded at their age, never discarded.
 */
import { HotpathError } from '../core/errors.ts';
import { scheduleArrivals } from './arrivals.ts';
import { HttpConnection } from './http-connection.ts';
import type { LoadReport, OpenLoopJob } from './load-job.ts';
import { LoadRecorder } from './load-recorder.ts';

const SWEEP_MS = 10;

/** @throws INVALID_INPUT when there are no requests or the schedule is not positive. */
export async function runOpenLoop(job: OpenLoopJob): Promise<LoadReport> {
  return new OpenLoop(job).run();
}

class OpenLoop {
  readonly #job: OpenLoopJob;
  readonly #recorder: LoadRecorder;
  readonly #times: Float64Array;
  readonly #warmupMs: number;
  readonly #timeoutMs: number;
  readonly #maxInFlight: number;
  readonly #all: HttpConnection[] = [];
  readonly #free: HttpConnection[] = [];
  readonly #done = Promise.withResolvers<void>();
  #startMs = 0;
  #next = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(job: OpenLoopJob) {
    if (job.requests.length === 0) throw new HotpathError('INVALID_INPUT', 'A load needs at least one request.');
    this.#job = job;
    this.#recorder = new LoadRecorder(job);
    this.#warmupMs = job.warmupMs ?? 0;
    this.#timeoutMs = job.timeoutMs ?? 10_000;
    this.#maxInFlight = job.maxInFlight ?? 1000;
    const { arrivals } = job;
    this.#times = scheduleArrivals({ ...arrivals, durationMs: arrivals.durationMs + this.#warmupMs });
  }

  async run(): Promise<LoadReport> {
    const cpu = process.cpuUsage();
    this.#startMs = performance.now();
    const sweep = setInterval(() => this.#sweep(), SWEEP_MS);
    this.#tick();
    await this.#done.promise;
    clearInterval(sweep);
    clearTimeout(this.#timer);
    for (const connection of this.#all) connection.reset();
    const used = process.cpuUsage(cpu);
    const elapsedSeconds = (performance.now() - this.#startMs) / 1000;
    const seconds = this.#job.arrivals.durationMs / 1000;
    return this.#recorder.report(seconds, ((used.user + used.system) / 1e6 / elapsedSeconds) * seconds);
  }

  #tick(): void {
    const now = performance.now();
    while (this.#next < this.#times.length && this.#startMs + this.#times[this.#next]! <= now) this.#issue(now);
    if (this.#next < this.#times.length) {
      const waitMs = this.#startMs + this.#times[this.#next]! - performance.now();
      this.#timer = setTimeout(() => this.#tick(), Math.max(1, waitMs));
    } else this.#finishWhenIdle();
  }

  #issue(now: number): void {
    const index = this.#next++;
    const connection = this.#free.pop() ?? this.#addConnection();
    const intendedMs = this.#startMs + this.#times[index]!;
    if (this.#recorded(intendedMs)) this.#recorder.lag(now - intendedMs);
    if (connection === undefined) {
      if (this.#recorded(intendedMs)) this.#recorder.dropped();
      return;
    }
    connection.requestIndex = index % this.#job.requests.length;
    connection.intendedMs = intendedMs;
    connection.deadlineMs = intendedMs + this.#timeoutMs;
    connection.send(this.#job.requests[connection.requestIndex]!.bytes);
  }

  #addConnection(): HttpConnection | undefined {
    if (this.#all.length >= this.#maxInFlight) return undefined;
    const connection = new HttpConnection(this.#job.target, {
      answered: (from, status, body) => {
        const latencyMs = performance.now() - from.intendedMs;
        if (this.#recorded(from.intendedMs)) this.#recorder.answered(from.requestIndex, status, body, latencyMs);
        this.#release(from);
      },
      broken: (from, reason) => {
        if (this.#recorded(from.intendedMs)) this.#recorder.broken(reason);
        this.#release(from);
      },
    });
    this.#all.push(connection);
    return connection;
  }

  #sweep(): void {
    const now = performance.now();
    for (const connection of this.#all) {
      if (!connection.busy || now < connection.deadlineMs) continue;
      connection.reset();
      if (this.#recorded(connection.intendedMs)) this.#recorder.timedOut(now - connection.intendedMs);
      this.#release(connection);
    }
  }

  #release(connection: HttpConnection): void {
    this.#free.push(connection);
    this.#finishWhenIdle();
  }

  #finishWhenIdle(): void {
    if (this.#next >= this.#times.length && this.#free.length === this.#all.length) this.#done.resolve();
  }

  #recorded(intendedMs: number): boolean {
    return intendedMs - this.#startMs >= this.#warmupMs;
  }
}
