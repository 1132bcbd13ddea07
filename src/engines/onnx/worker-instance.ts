/**
 * An EngineInstance on a worker thread: one run at a time, a watchdog for hangs, and a new worker at once when one dies.
 * Made by worker-pool.ts, driven by the batcher. A run ends in exactly one way: answer, ENGINE_FAILED or ENGINE_CRASHED.
 */
import { HotpathError } from '../../core/errors.ts';
import type { Signature, Tensor, TensorSpec } from '../../core/tensor.ts';
import type { EngineInstance, EngineRun } from '../../ports/engine.ts';
import type { RunReply, WorkerGreeting } from './worker-protocol.ts';
import { appendTensors, readTensors } from './worker-protocol.ts';
import type { WorkerThreadOptions } from './worker-thread.ts';
import { WorkerThread } from './worker-thread.ts';

export type RestartCause = 'crash' | 'hang';
export type Greeting = Extract<WorkerGreeting, { ready: true }>;

export interface WorkerInstanceOptions extends WorkerThreadOptions {
  readonly id: number;
  readonly signature: Signature;
  readonly runTimeoutMs: number;
  readonly loadTimeoutMs: number;
  /** A worker died or hung, and its replacement is on its way. */
  readonly onRestart: (cause: RestartCause) => void;
  /** A hung worker was left behind; the promise settles when its thread ends at last. */
  readonly onAbandoned: (ended: Promise<void>) => void;
  /** The replacement could not open the model; another try follows. */
  readonly onRestartFailed: (reason: string, retryMs: number) => void;
}

interface PendingRun {
  readonly specs: readonly TensorSpec[];
  readonly resolve: (run: EngineRun) => void;
  readonly reject: (error: HotpathError) => void;
  readonly startedAt: number;
}

const firstBackoffMs = 100;
const longestBackoffMs = 30_000;
/** setTimeout's largest delay; stands for "never". */
const longestTimeoutMs = 2 ** 31 - 1;
const stopTimeoutMs = 5000;

export class WorkerInstance implements EngineInstance {
  readonly id: number;
  onAvailable: (() => void) | undefined;
  readonly #options: WorkerInstanceOptions;
  readonly #runTimeoutMs: number;
  #thread: WorkerThread | undefined;
  #ready = false;
  #closed = false;
  #closing: Promise<void> | undefined;
  #pending: PendingRun | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #loadTimer: NodeJS.Timeout | undefined;
  #failedLoads = 0;
  #onDrained: (() => void) | undefined;

  constructor(options: WorkerInstanceOptions) {
    this.id = options.id;
    this.#options = options;
    const { runTimeoutMs } = options;
    this.#runTimeoutMs = runTimeoutMs > 0 ? Math.min(runTimeoutMs, longestTimeoutMs) : longestTimeoutMs;
  }

  get available(): boolean {
    return this.#ready && !this.#closed;
  }

  /** Starts the first worker. @throws MODEL_FAILED when it cannot open the model or takes too long. */
  start(): Promise<Greeting> {
    return new Promise((resolve, reject) => {
      this.#launch(resolve, (reason) => {
        this.#closed = true;
        reject(new HotpathError('MODEL_FAILED', reason));
      });
    });
  }

  run(inputs: readonly Tensor[], outputs?: readonly string[]): Promise<EngineRun> {
    const refusal = this.#refusal(inputs.length);
    if (refusal !== undefined) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      try {
        const specs = outputs === undefined ? this.#options.signature.outputs : this.#specsOf(outputs);
        const message: Parameters<WorkerThread['post']>[0] = [outputs ?? null];
        const transfer: ArrayBuffer[] = [];
        appendTensors(inputs, message, transfer);
        this.#thread!.post(message, transfer);
        this.#pending = { specs, resolve, reject, startedAt: performance.now() };
        this.#watch();
      } catch (error) {
        reject(error instanceof HotpathError ? error : handOverFailed(error));
      }
    });
  }

  /** Refuses new runs, waits for the one in progress, ends the thread. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#closed = true;
    if (this.#pending !== undefined) {
      await new Promise<void>((resolve) => {
        this.#onDrained = resolve;
      });
    }
    clearTimeout(this.#retry);
    clearTimeout(this.#watchdog);
    clearTimeout(this.#loadTimer);
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.stop(stopTimeoutMs);
  }

  #refusal(count: number): HotpathError | undefined {
    if (this.#closed) return new HotpathError('MODEL_NOT_READY', 'The model is unloading.');
    if (!this.#ready) return new HotpathError('ENGINE_CRASHED', 'The engine worker is being replaced.');
    if (this.#pending !== undefined) return new HotpathError('INTERNAL', 'The engine instance is busy.');
    const wanted = this.#options.signature.inputs.length;
    if (count !== wanted) {
      return new HotpathError('ENGINE_FAILED', `The model takes ${wanted} inputs and got ${count}.`);
    }
    return undefined;
  }

  #specsOf(names: readonly string[]): TensorSpec[] {
    return names.map((name) => {
      const spec = this.#options.signature.outputs.find((output) => output.name === name);
      if (spec === undefined) throw new HotpathError('ENGINE_FAILED', `The model has no output ${name}.`);
      return spec;
    });
  }

  #launch(onReady: (greeting: Greeting) => void, onRefused: (reason: string) => void): void {
    const { loadTimeoutMs } = this.#options;
    let ready = false;
    const refuse = (reason: string): void => {
      clearTimeout(this.#loadTimer);
      this.#thread = undefined;
      onRefused(reason);
    };
    const thread = new WorkerThread(this.#options, {
      onReady: (greeting) => {
        clearTimeout(this.#loadTimer);
        ready = true;
        this.#ready = true;
        onReady(greeting);
      },
      onRefused: refuse,
      onReply: (reply) => this.#settle(reply),
      onGone: () => {
        if (ready) this.#replace('crash');
        else refuse('The engine worker died while it loaded the model.');
      },
    });
    this.#thread = thread;
    this.#loadTimer = setTimeout(() => {
      this.#leaveBehind(thread);
      refuse(`The model did not load within ${loadTimeoutMs} ms.`);
    }, loadTimeoutMs);
  }

  #leaveBehind(thread: WorkerThread): void {
    thread.abandon();
    this.#options.onAbandoned(thread.ended);
  }

  #settle(reply: RunReply): void {
    const pending = this.#take();
    if (pending === undefined) return;
    if (typeof reply === 'string') pending.reject(new HotpathError('ENGINE_FAILED', reply));
    else pending.resolve({ outputs: readTensors(reply, 2, pending.specs), inferMs: reply[0], recycled: reply[1] });
  }

  #take(): PendingRun | undefined {
    const pending = this.#pending;
    this.#pending = undefined;
    this.#watchdog?.unref();
    this.#onDrained?.();
    return pending;
  }

  /** One lazy timer for many runs: armed when none is, re-armed for the rest when it fires early. It holds the process only while a run is in progress. */
  #watch(): void {
    if (this.#watchdog === undefined) this.#watchdog = setTimeout(() => this.#checkHang(), this.#runTimeoutMs);
    else this.#watchdog.ref();
  }

  #checkHang(): void {
    this.#watchdog = undefined;
    if (this.#pending === undefined) return;
    const leftMs = this.#pending.startedAt + this.#runTimeoutMs - performance.now();
    if (leftMs > 0) {
      this.#watchdog = setTimeout(() => this.#checkHang(), Math.ceil(leftMs));
      return;
    }
    this.#leaveBehind(this.#thread!);
    this.#replace('hang');
  }

  #replace(cause: RestartCause): void {
    this.#ready = false;
    this.#thread = undefined;
    const pending = this.#take();
    // A closed instance needs no successor: its last run has just ended.
    if (!this.#closed) {
      this.#options.onRestart(cause);
      this.#relaunch();
    }
    const message =
      cause === 'hang'
        ? `The run took longer than ${this.#runTimeoutMs} ms and its worker was replaced.`
        : 'The engine worker died during the run.';
    pending?.reject(new HotpathError('ENGINE_CRASHED', message));
  }

  #relaunch(): void {
    this.#launch(
      () => {
        this.#failedLoads = 0;
        this.onAvailable?.();
      },
      (reason) => {
        if (this.#closed) return;
        const retryMs = Math.min(firstBackoffMs * 2 ** this.#failedLoads++, longestBackoffMs);
        this.#options.onRestartFailed(reason, retryMs);
        this.#retry = setTimeout(() => this.#relaunch(), retryMs).unref();
      },
    );
  }
}

function handOverFailed(error: unknown): HotpathError {
  return new HotpathError('ENGINE_FAILED', 'The input tensors cannot be handed to the engine.', undefined, {
    cause: error,
  });
}
