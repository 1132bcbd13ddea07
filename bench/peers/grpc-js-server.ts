/**
 * The usual gRPC server of Node, grpc-js with proto-loader, over Hotpath's own registry, batching and engine: what differs from
 * Hotpath is the protocol alone. ModelInfer with raw or typed floats, answered raw. Argument: the model folder.
 */
import * as http from 'node:http';
import { fileURLToPath } from 'node:url';
import {
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { FilesystemModelSource } from '../../src/adapters/filesystem/model-source.ts';
import { systemClock as clock } from '../../src/adapters/system-clock.ts';
import { loadConfig } from '../../src/config/load.ts';
import { parseModelConfig } from '../../src/config/model-config.ts';
import { infer } from '../../src/core/infer.ts';
import { ModelRegistry } from '../../src/core/registry/registry.ts';
import { createPipeline, createRunner, type Runner } from '../../src/core/runner.ts';
import type { Tensor } from '../../src/core/tensor.ts';
import type { InferCall, InferResponse } from '../../src/core/types.ts';
import { createOnnxEngine } from '../../src/engines/onnx/onnx-engine.ts';
import { createLogger } from '../../src/observability/logging.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { registryOptions } from '../../src/server-budget.ts';
import { lazyTriton } from '../../src/server-triton.ts';
import { listen } from './listen.ts';

interface Message {
  readonly model_name: string;
  readonly id: string;
  readonly inputs: readonly {
    readonly shape: number[];
    readonly contents: { readonly fp32_contents: number[] } | null;
  }[];
  readonly raw_input_contents: readonly Buffer[];
}

const [, , models] = process.argv as [string, string, string];
const { config } = loadConfig({ env: {}, flags: { models, preload: true } });
const logger = createLogger({ level: 'warn' });
const metrics = createMetrics({ snapshot: () => registry.snapshot(), clock, nv: false, version: '0' });
const registry: ModelRegistry<Runner> = new ModelRegistry<Runner>(
  {
    source: new FilesystemModelSource({
      root: models,
      parseConfig: parseModelConfig,
      triton: lazyTriton(logger),
      clock,
    }),
    engine: createOnnxEngine({ logger, cacheDir: '', probeTimeoutMs: config.loadTimeoutMs }),
    clock,
    telemetry: metrics.telemetry,
    logger,
    createBatcher: (parts) => createRunner({ ...parts, random: Math.random }),
    createPipeline: (parts) => createPipeline({ ...parts, infer: (call) => infer(deps, call) }),
  },
  registryOptions(config),
);
const deps = { clock, acquire: registry.acquire.bind(registry) };
await registry.start();

function callOf({ model_name, inputs, raw_input_contents }: Message): InferCall {
  const { shape, contents } = inputs[0]!;
  const decode = (): readonly Tensor[] => {
    const raw = raw_input_contents[0];
    // protobufjs gives views of the message, which are as good as never aligned.
    const data = raw === undefined ? Float32Array.from(contents!.fp32_contents) : floatsOf(raw);
    return [{ datatype: 'float32', shape, data }];
  };
  return { model: model_name, decode };
}

function floatsOf(raw: Buffer): Float32Array<ArrayBuffer> {
  const copy = new Uint8Array(raw);
  return new Float32Array(copy.buffer);
}

function answerOf({ model, outputs }: InferResponse, id: string): object {
  const numeric = outputs.map(({ data }) => data as Float32Array | BigInt64Array);
  return {
    model_name: model.name,
    model_version: model.version,
    id,
    outputs: outputs.map(({ name, datatype, shape }) => ({
      name,
      datatype: datatype === 'int64' ? 'INT64' : 'FP32',
      shape,
    })),
    raw_output_contents: numeric.map((data) => Buffer.from(data.buffer, data.byteOffset, data.byteLength)),
  };
}

const protos = fileURLToPath(new URL('../../proto', import.meta.url));
const options = { includeDirs: [protos], keepCase: true, longs: Number, enums: String };
// biome-ignore lint/suspicious/noExplicitAny: packages of grpc-js have no types.
const packages: any = loadPackageDefinition(loadSync('open_inference.proto', options));
const grpc = new Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_concurrent_streams': 4096 });
grpc.addService(packages.inference.GRPCInferenceService.service, {
  ModelInfer(call: ServerUnaryCall<Message, object>, done: sendUnaryData<object>) {
    infer(deps, callOf(call.request)).then(
      (response) => done(null, answerOf(response, call.request.id)),
      (error) => done(error),
    );
  },
});
grpc.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  // Tells the bench that it is ready, and where the other listener is.
  listen(http.createServer((_, response) => response.end(String(port))));
});
