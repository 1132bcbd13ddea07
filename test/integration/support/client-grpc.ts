/** Hotpath's own gRPC client for its tests, closed after each of them, and the inputs they send. */
import type { TestContext } from 'node:test';
import { createGrpcClient, type GrpcClient, type GrpcClientOptions } from '../../../src/client/node-grpc.ts';

export const demo = { features: { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) } };

/** A client that waits for nobody between its attempts. */
export function clientOf(test: TestContext, address: string, options: GrpcClientOptions = {}): GrpcClient {
  const client = createGrpcClient(address, { random: () => 0, ...options });
  test.after(() => client.close());
  return client;
}
