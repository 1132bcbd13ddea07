/**
 * Closed loop: each connection sends its next request when the last one is answered. Right for capacity and for a lonely
 * caller; it hides stalls (a stalled server is not asked), so latency under a given load is the open loop's business.
 */
import { HotpathError } from '../core/errors.ts';
import { HttpConnection } from './http-connection.ts';
import type { ClosedLoopJob, LoadReport } from './load-job.ts';
import { LoadRecorder } from './load-recorder.ts';

/** A server that is down must not be hammered with connects. */
const RETRY_MS = 10;
const SWEEP_MS = 20;

/** @throws INVALID_INPUT when the job has no end or no requests. */
export async function runClosedLoop(job: ClosedLoopJob): Promise<LoadReport> {
  return new ClosedLoop(job).run();
}

class ClosedLoop {
  readonly #job: ClosedLoopJob;
  readonly #recorder: LoadRecorder;
  readonly #count: number;
  readonly #timeoutMs: number;
  readonly #connections: readonly HttpConnection[];
  readonly #done = Promise.withResolvers<void>();
  /** Requests sent before this moment are warm-up. */
  #recordFromMs = Number.POSITIVE_INFINITY;
  #endMs = Number.POSITIVE_INFINITY;
  #cpu = process.cpuUsage();
  #nextRequest = 0;
  /** Recorded requests that were sent, and those that came to an end. */
  #started = 0;
  #ended = 0;
  #stopped = false;

  constructor(job: ClosedLoopJob) {
    if (job.durationMs === undefined && job.count === undefined) {
      throw new HotpathError('INVALID_INPUT', 'A closed loop needs durationMs or count.');
    }
    if (job.requests.length === 0) throw new HotpathError('INVALID_INPUT', 'A load needs at least one request.');
    this.#job = job;
    this.#recorder = new LoadRecorder(job);
    this.#count = job.count ?? Number.POSITIVE_INFINITY;
    this.#timeoutMs = job.timeoutMs ?? 10_000;
    this.#connections = Array.from({ length: job.connections }, () => this.#connect());
  }

  async run(): Promise<LoadReport> {
    const { warmupMs = 0 } = this.#job;
    const warmup = warmupMs > 0 ? setTimeout(() => this.#startRecording(), warmupMs) : undefined;
    if (warmup === undefined) this.#startRecording();
    const sweep = setInterval(() => this.#sweep(), SWEEP_MS);
    for (const connection of this.#connections) this.#sendNext(connection);
    await this.#done.promise;
    const seconds = (performance.now() - this.#recordFromMs) / 1000;
    const used = process.cpuUsage(this.#cpu);
    clearTimeout(warmup);
    clearInterval(sweep);
    for (const connection of this.#connections) connection.reset();
    return this.#recorder.report(seconds, (used.user + used.system) / 1e6);
  }

  #startRecording(): void {
    this.#cpu = process.cpuUsage();
    this.#recordFromMs = performance.now();
    this.#endMs = this.#recordFromMs + (this.#job.durationMs ?? Number.POSITIVE_INFINITY);
  }

  #connect(): HttpConnection {
    return new HttpConnection(this.#job.target, {
      answered: (from, status, body) => {
        const now = performance.now();
        if (this.#end(from)) this.#recorder.answered(from.requestIndex, status, body, now - from.sentMs);
        this.#sendNext(from);
      },
      broken: (from, reason) => {
        if (this.#end(from)) this.#recorder.broken(reason);
        setTimeout(() => this.#sendNext(from), RETRY_MS);
      },
    });
  }

  #sendNext(connection: HttpConnection): void {
    if (this.#stopped) return;
    const now = performance.now();
    if (now >= this.#endMs || this.#ended >= this.#count) {
      this.#stop();
      return;
    }
    if (now >= this.#recordFromMs && this.#started++ >= this.#count) return;
    connection.requestIndex = this.#nextRequest;
    this.#nextRequest = (this.#nextRequest + 1) % this.#job.requests.length;
    connection.sentMs = now;
    connection.deadlineMs = now + this.#timeoutMs;
    connection.send(this.#job.requests[connection.requestIndex]!.bytes);
  }

  /** True when what just ended is to be recorded. */
  #end(connection: HttpConnection): boolean {
    if (this.#stopped || connection.sentMs < this.#recordFromMs) return false;
    this.#ended += 1;
    return true;
  }

  #sweep(): void {
    const now = performance.now();
    if (now >= this.#endMs) this.#stop();
    for (const connection of this.#connections) {
      if (!connection.busy || now < connection.deadlineMs) continue;
      connection.reset();
      if (this.#end(connection)) this.#recorder.timedOut(now - connection.sentMs);
      this.#sendNext(connection);
    }
  }

  #stop(): void {
    this.#stopped = true;
    this.#done.resolve();
  }
}
