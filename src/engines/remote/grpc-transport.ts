/** The Open Inference Protocol over gRPC, as a client. Made by upstream-address.ts for `grpc://` and `grpcs://` addresses. */
import type { Tensor } from '../../core/tensor.ts';
import type { Clock } from '../../ports/clock.ts';
import { ChannelPool } from './channel-pool.ts';
import { GrpcAnswer } from './grpc-answer.ts';
import { readConfigAnswer, readMetadataAnswer, readReadyAnswer } from './grpc-metadata.ts';
import { encodeInferRequest, encodeTexts, prefixBytes } from './grpc-request.ts';
import type { CallLimits, ConnectionCounts, InferJob, Transport, UpstreamMetadata } from './transport.ts';
import { UpstreamFailure } from './upstream-failure.ts';
import type { UpstreamTarget } from './upstream-settings.ts';

const service = '/inference.GRPCInferenceService/';

export class GrpcTransport implements Transport {
  readonly #channels: ChannelPool;

  constructor(target: UpstreamTarget, clock: Clock) {
    this.#channels = new ChannelPool(target, clock);
  }

  async infer(job: InferJob, limits: CallLimits): Promise<readonly Tensor[]> {
    const answer = new GrpcAnswer();
    const chunks = encodeInferRequest(job);
    await this.#channels.take().call(`${service}ModelInfer`, chunks, limits, (chunk) => answer.push(chunk));
    return answer.finish(job);
  }

  async serverReady(timeoutMs: number): Promise<boolean> {
    return readReadyAnswer(await this.#ask('ServerReady', [], timeoutMs));
  }

  async metadata(model: string, version: string, timeoutMs: number): Promise<UpstreamMetadata> {
    const signature = readMetadataAnswer(await this.#ask('ModelMetadata', [model, version], timeoutMs));
    return { signature, maxBatchSize: await this.#maxBatchSize(model, version, timeoutMs) };
  }

  connections(): ConnectionCounts {
    return this.#channels.counts();
  }

  reset(): void {
    this.#channels.reset();
  }

  close(): void {
    this.#channels.close();
  }

  /** ModelConfig is Triton's and not part of the protocol: a server may do without. */
  async #maxBatchSize(model: string, version: string, timeoutMs: number): Promise<number | undefined> {
    try {
      return readConfigAnswer(await this.#ask('ModelConfig', [model, version], timeoutMs));
    } catch (error) {
      if (error instanceof UpstreamFailure && error.kind === 'refused') return undefined;
      throw error;
    }
  }

  async #ask(method: string, texts: readonly string[], timeoutMs: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    await this.#channels
      .take()
      .call(service + method, encodeTexts(...texts), { timeoutMs }, (chunk) => chunks.push(chunk));
    return Buffer.concat(chunks).subarray(prefixBytes);
  }
}
