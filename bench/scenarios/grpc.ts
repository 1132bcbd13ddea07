/**
 * Scenario 7: gRPC, Hotpath against grpc-js over the same core: small tensors, large ones, and large ones over a link with a round
 * trip of 10 ms. The client is h2load, one connection.
 */
import { fileURLToPath } from 'node:url';
import { Client, credentials, type MethodDefinition, type ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { Target } from '../../src/loadtest/http-connection.ts';
import { encodeModel } from '../../src/onnx-file/encode.ts';
import { int, ints, makeModel, makeNode, makeValueInfo } from '../../src/onnx-file/model.ts';
import { comparisonTable, ratioTarget } from '../comparison.ts';
import { startHotpath } from '../competitors.ts';
import type { BenchContext } from '../context.ts';
import { startDelayProxy } from '../delay-proxy.ts';
import { h2loadIsInstalled, measureWithH2load } from '../h2load.ts';
import { cpuSeconds, type RunningServer, startServer } from '../processes.ts';
import type { Target as Claim, ScenarioResult } from '../result.ts';
import { type Contender, type Results, takeTurns } from '../rounds.ts';
import { syntheticRow } from '../rows.ts';
import type { BenchModel } from '../workspace.ts';

const roundTripMs = 10;
const names = ['Hotpath', 'grpc-js'] as const;

interface Case {
  readonly title: string;
  readonly width: number;
  readonly streams: number;
  readonly roundTripMs: number;
  /** Requests per second, as a multiple of grpc-js's. */
  readonly wanted: number;
}

const cases: readonly Case[] = [
  { title: '4 floats, 64 streams', width: 4, streams: 64, roundTripMs: 0, wanted: 1.3 },
  { title: '600 KB tensor, 4 streams', width: 3 * 224 * 224, streams: 4, roundTripMs: 0, wanted: 2 },
  { title: '600 KB tensor, 4 streams, 10 ms away', width: 3 * 224 * 224, streams: 4, roundTripMs, wanted: 8 },
];

const method = inferMethod();

export async function runGrpc(context: BenchContext): Promise<ScenarioResult> {
  const results = h2loadIsInstalled() ? await runCases(context) : [];
  return {
    name: 'grpc',
    title: 'gRPC, one connection',
    method: [
      'A model that takes the mean of its floats, so that the wire is the cost. Raw contents in and out; h2load as client.',
      "grpc-js with proto-loader over Hotpath's own registry, batching and engine.",
    ],
    tables: results.map((result, index) => ({ ...comparisonTable(result, names[0]), title: cases[index]!.title })),
    targets: cases.map((one, index) => claim(one, results[index] ?? new Map())),
    data: Object.fromEntries(results.map((result, index) => [cases[index]!.title, Object.fromEntries(result)])),
  };
}

function claim({ title, wanted }: Case, results: Results): Claim {
  const target = ratioTarget(results, names[0], names[1], wanted);
  const why = results.size === 0 ? { why: 'h2load is not installed' } : {};
  return { ...target, ...why, what: `${title}: ${target.what}` };
}

async function runCases(context: BenchContext): Promise<Results[]> {
  const results: Results[] = [];
  for (const one of cases) {
    console.log(`  ${one.title}`);
    const inputs = [syntheticRow(one.width, 0)];
    const name = `mean${one.width}`;
    const config = { sloMs: 10_000 };
    const model = await context.workspace.addModel(name, meanModel(one.width), [one.width], inputs, config);
    results.push(await takeTurns(contenders(context, model, one), context.options));
  }
  return results;
}

function contenders({ hotpath }: BenchContext, model: BenchModel, one: Case): Contender[] {
  const peer = fileURLToPath(new URL('../peers/grpc-js-server.ts', import.meta.url));
  const starts = {
    Hotpath: async () => {
      const server = await startHotpath(hotpath);
      return { server, grpc: server.grpc };
    },
    'grpc-js': async () => {
      const server = await startServer({ command: process.execPath, args: [peer, hotpath.modelsDir], readyPath: '/' });
      const { host, port } = server.target;
      const answer = await fetch(`http://${host}:${port}/`);
      return { server, grpc: { host, port: Number(await answer.text()) } };
    },
  };
  return names.map((name) => ({ name, start: async () => enter(await starts[name](), model, one) }));
}

async function enter({ server, grpc }: { server: RunningServer; grpc: Target }, model: BenchModel, one: Case) {
  const proxy = one.roundTripMs > 0 ? await startDelayProxy(grpc, one.roundTripMs) : undefined;
  const target = proxy?.target ?? grpc;
  const message = requestOf(model);
  const body = Buffer.concat([Buffer.alloc(5), method.requestSerialize(message)]);
  body.writeUInt32BE(body.length - 5, 1);
  return {
    verify: () => verify(target, model, message),
    measure: async (seconds: number) => {
      const pid = server.child.pid!;
      const before = cpuSeconds(pid);
      const view = await measureWithH2load({ target, path: method.path, body, streams: one.streams, seconds });
      const perSecond = (cpuSeconds(pid) - before) / Math.max(1, Math.round(seconds));
      return { ...view, serverCpuUs: (perSecond / view.requestsPerSecond) * 1e6, foreignCpuShare: Number.NaN };
    },
    stop: async () => {
      proxy?.close();
      await server.stop();
    },
  };
}

interface Answer {
  readonly raw_output_contents: readonly Buffer[];
}

function inferMethod(): MethodDefinition<object, Answer> {
  const protos = fileURLToPath(new URL('../../proto', import.meta.url));
  const definition = loadSync('open_inference.proto', { includeDirs: [protos], keepCase: true });
  const service = definition['inference.GRPCInferenceService'] as unknown as ServiceDefinition;
  return service.ModelInfer as MethodDefinition<object, Answer>;
}

function requestOf({ name, rowShape, rows }: BenchModel): object {
  const { input } = rows[0]!;
  return {
    model_name: name,
    inputs: [{ name: 'X', datatype: 'FP32', shape: [1, ...rowShape] }],
    raw_input_contents: [Buffer.from(input.buffer, input.byteOffset, input.byteLength)],
  };
}

/** h2load does not look at answers. @throws Error on a failure or a wrong answer. */
async function verify({ host, port }: Target, model: BenchModel, message: object): Promise<void> {
  const client = new Client(`${host}:${port}`, credentials.createInsecure(), { 'grpc.max_receive_message_length': -1 });
  try {
    const { path, requestSerialize, responseDeserialize } = method;
    const answer = await new Promise<Answer>((resolve, reject) => {
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, message, (error, value) =>
        error === null ? resolve(value!) : reject(error),
      );
    });
    const got = answer.raw_output_contents[0]!.readFloatLE(0);
    const wanted = model.rows[0]!.outputs[0]![0]!;
    if (!(Math.abs(got - wanted) <= 1e-4 * Math.max(0.01, Math.abs(wanted)))) throw new Error(`${got}, not ${wanted}`);
  } finally {
    client.close();
  }
}

function meanModel(width: number): Uint8Array {
  const nodes = [makeNode('ReduceMean', ['X'], ['Y'], { axes: ints([1]), keepdims: int(1) })];
  const inputs = [makeValueInfo('X', 'float32', ['rows', width])];
  const outputs = [makeValueInfo('Y', 'float32', ['rows', 1])];
  const graph = { name: 'mean', nodes, inputs, outputs, initializers: [] };
  return encodeModel(makeModel({ opsets: [{ domain: '', version: 17 }], graph }));
}
