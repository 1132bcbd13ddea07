/** grpc-js clients for tests, made from proto/ as any client would make them. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after } from 'node:test';
import {
  type ChannelCredentials,
  type ClientDuplexStream,
  type ClientOptions,
  type ClientReadableStream,
  credentials,
  loadPackageDefinition,
  type Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { TestServer } from './grpc-harness.ts';
import { until } from './until.ts';

// biome-ignore lint/suspicious/noExplicitAny: messages of grpc-js have no types.
export type Message = any;

type UnaryMethod = (request: object, ...rest: unknown[]) => { cancel(): void };

export interface Client {
  close(): void;
  readonly [method: string]: unknown;
}

const protos = join(import.meta.dirname, '../../../proto');

const definition = loadSync(
  ['open_inference.proto', 'health.proto', 'reflection.proto', 'reflection_v1alpha.proto'].map((name) =>
    join(protos, name),
  ),
  { includeDirs: [protos], keepCase: true, longs: String, enums: String, defaults: true, oneofs: true },
);

const packages: Message = loadPackageDefinition(definition);

export const services = {
  inference: packages.inference.GRPCInferenceService,
  health: packages.grpc.health.v1.Health,
  reflection: packages.grpc.reflection.v1.ServerReflection,
  reflectionAlpha: packages.grpc.reflection.v1alpha.ServerReflection,
};

export function connect(
  address: string,
  service: Message = services.inference,
  channel: ChannelCredentials = credentials.createInsecure(),
  options: ClientOptions = {},
): Client {
  const limits = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };
  return new service(address, channel, { ...limits, ...options });
}

/** Opens clients, by default of the file's own server, and closes them all after its tests. */
export function clientOpener(defaultAddress: () => string): (service?: Message, address?: string) => Client {
  const opened: Client[] = [];
  after(() => {
    for (const client of opened) client.close();
  });
  return (service, address = defaultAddress()) => {
    const client = connect(address, service);
    opened.push(client);
    return client;
  };
}

/** The answer, or a rejection with the ServiceError. */
export function ask(
  client: Client,
  method: string,
  request: object,
  options: { readonly deadline?: number; readonly metadata?: Metadata } = {},
): Promise<Message> {
  return new Promise((resolve, reject) => {
    const done = (error: ServiceError | null, answer: unknown) => (error === null ? resolve(answer) : reject(error));
    const rest = options.metadata === undefined ? [] : [options.metadata];
    const { deadline } = options;
    (client[method] as UnaryMethod).call(client, request, ...rest, deadline === undefined ? {} : { deadline }, done);
  });
}

export function openStream(client: Client, method: string, ...args: unknown[]): ClientDuplexStream<object, Message> {
  return (client[method] as (...args: unknown[]) => ClientDuplexStream<object, Message>).apply(client, args);
}

/** Everything that comes, until the stream ends; rejects with its ServiceError. */
export async function collect(stream: ClientReadableStream<Message>): Promise<Message[]> {
  const messages: Message[] = [];
  for await (const message of stream) messages.push(message);
  return messages;
}

/** A request to the fake engine's usual model, `features` float32 `[rows, width]`. */
export function demoRequest(rows: readonly (readonly number[])[], more: object = {}): object {
  return {
    model_name: 'demo',
    inputs: [
      {
        name: 'features',
        datatype: 'FP32',
        shape: [rows.length, rows[0]!.length],
        contents: { fp32_contents: rows.flat() },
      },
    ],
    ...more,
  };
}

/** The same with raw contents. */
export function rawRequest(rows: readonly (readonly number[])[], more: object = {}): object {
  const values = Float32Array.from(rows.flat());
  return {
    model_name: 'demo',
    inputs: [{ name: 'features', datatype: 'FP32', shape: [rows.length, rows[0]!.length] }],
    raw_input_contents: [Buffer.from(values.buffer)],
    ...more,
  };
}

export function floats(raw: Buffer): number[] {
  return [...new Float32Array(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.byteLength))];
}

/** A new client is served, and nothing of the earlier ones is left. */
export async function assertServes(server: TestServer): Promise<void> {
  const client = connect(server.address);
  const answer = await ask(client, 'ModelInfer', rawRequest([[1, 2]]));
  assert.deepEqual(floats(answer.raw_output_contents[1]), [3]);
  client.close();
  await until(() => server.inFlight.total === 0);
}
