/** One place for a call to the upstreams of a model: what the batcher sees as an instance. Made by remote-engine.ts. */
import { HotpathError } from '../../core/errors.ts';
import type { Signature, Tensor } from '../../core/tensor.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EngineInstance, EngineRun, RunLimits } from '../../ports/engine.ts';
import { toUpstreamFailure } from './upstream-failure.ts';
import type { UpstreamPool } from './upstream-pool.ts';

export interface RemoteModel {
  /** Names on the upstream. */
  readonly model: string;
  readonly version: string;
  readonly signature: Signature;
  readonly outputNames: readonly string[];
  readonly pool: UpstreamPool;
  readonly clock: Clock;
}

export class RemoteInstance implements EngineInstance {
  readonly id: number;
  readonly takesLimits = true;
  /** Always: whether an upstream can be had is found out by each call, for waiting would only hide that it cannot. */
  readonly available = true;
  onAvailable: (() => void) | undefined;
  readonly #remote: RemoteModel;
  #running: Promise<unknown> | undefined;
  #closed = false;

  constructor(id: number, remote: RemoteModel) {
    this.id = id;
    this.#remote = remote;
  }

  async run(inputs: readonly Tensor[], outputs?: readonly string[], limits?: RunLimits): Promise<EngineRun> {
    if (this.#closed) throw new HotpathError('MODEL_NOT_READY', 'The model is unloading.');
    const run = this.#call(inputs, outputs, limits);
    this.#running = run;
    try {
      return await run;
    } catch (error) {
      throw toUpstreamFailure(error).error;
    } finally {
      this.#running = undefined;
    }
  }

  /** Refuses new runs and waits for the running one. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running?.catch(() => {});
  }

  async #call(
    inputs: readonly Tensor[],
    outputs: readonly string[] | undefined,
    limits: RunLimits | undefined,
  ): Promise<EngineRun> {
    const { clock, pool, model, version, signature, outputNames } = this.#remote;
    const startedMs = clock.now();
    const job = { model, version, signature, inputs, outputs: outputs ?? outputNames };
    const answered = await pool.infer(job, limits);
    return { outputs: answered, inferMs: clock.now() - startedMs, recycled: buffersOf(inputs) };
  }
}

/** The upstream has answered, so it has read all of them. */
function buffersOf(inputs: readonly Tensor[]): ArrayBuffer[] {
  const buffers: ArrayBuffer[] = [];
  for (const { data } of inputs) if (!Array.isArray(data)) buffers.push(data.buffer);
  return buffers;
}
