/**
 * Scenario 6: the Open Inference Protocol. A 600 KB tensor as JSON and as binary data, and a gateway: Hotpath in front of another
 * Hotpath, against the upstream asked directly.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeModel } from '../../src/onnx-file/encode.ts';
import { makeModel, makeNode, makeValueInfo } from '../../src/onnx-file/model.ts';
import { trainIris } from '../../src/training/train-iris.ts';
import { comparisonTable, ratioTarget } from '../comparison.ts';
import { hotpathRequests, oipTensor, startHotpath } from '../competitors.ts';
import type { BenchContext } from '../context.ts';
import { type Competitor, httpContender } from '../http-contender.ts';
import { buildResnet18 } from '../models.ts';
import type { RunningServer } from '../processes.ts';
import { formatNumber, type ScenarioResult } from '../result.ts';
import { takeTurns } from '../rounds.ts';
import { irisRow, syntheticRow } from '../rows.ts';
import { median } from '../stats.ts';
import type { BenchModel } from '../workspace.ts';

const WIDTH = 3 * 224 * 224;
const TENSOR_CONNECTIONS = 4;
const GATEWAY_CONNECTIONS = 8;
const BLOCK_REQUESTS = 200;

export async function runProtocols(context: BenchContext): Promise<ScenarioResult> {
  const tensors = await compareTensors(context);
  const gateway = await compareGateway(context);
  const [json, binary] = ['Hotpath, OIP JSON', 'Hotpath, OIP binary'] as const;
  const [direct, through] = ['upstream asked directly', 'through the gateway'] as const;
  return {
    name: 'protocols',
    title: 'Open Inference Protocol',
    method: [
      `A model that negates ${WIDTH} floats, so that the wire is the cost; ${TENSOR_CONNECTIONS} connections.`,
      `Gateway: Hotpath with a remote model over gRPC, in front of Hotpath, both on this machine with the client. Throughput with ResNet-18-like images, ${GATEWAY_CONNECTIONS} connections; added time with iris, one connection, ${gateway.blocks} alternating blocks of ${BLOCK_REQUESTS} requests, the median over the blocks of the difference of the medians.`,
    ],
    tables: [
      { ...comparisonTable(tensors, binary), title: '600 KB tensor, both ways' },
      { ...comparisonTable(gateway.results, through), title: 'Images through a gateway' },
      {
        title: 'One lonely iris request',
        columns: ['upstream p50 ms', 'gateway p50 ms', 'added ms'],
        rows: [[formatNumber(gateway.directMs), formatNumber(gateway.throughMs), formatNumber(gateway.addedMs)]],
      },
    ],
    targets: [
      ratioTarget(tensors, binary, json, 3),
      ratioTarget(gateway.results, through, direct, 0.8),
      { what: 'added by the gateway, p50', comparison: '<=', target: 0.5, unit: 'ms', measured: gateway.addedMs },
    ],
    data: {
      tensors: Object.fromEntries(tensors),
      gateway: { ...gateway, results: Object.fromEntries(gateway.results) },
    },
  };
}

function negation(): Uint8Array {
  const value = (name: string) => makeValueInfo(name, 'float32', ['rows', WIDTH]);
  const nodes = [makeNode('Neg', ['X'], ['Y'])];
  const graph = { name: 'negate', nodes, inputs: [value('X')], outputs: [value('Y')], initializers: [] };
  return encodeModel(makeModel({ opsets: [{ domain: '', version: 17 }], graph }));
}

async function compareTensors({ workspace, hotpath, client, options }: BenchContext) {
  const inputs = [syntheticRow(WIDTH, 0), syntheticRow(WIDTH, 1)];
  const model = await workspace.addModel('negate', negation(), [WIDTH], inputs, { sloMs: 10_000 });
  const competitors = (['json', 'binary'] as const).map((wire) => oipTensor(model, wire, hotpath));
  const contenders = competitors.map((one) => httpContender(client, one, TENSOR_CONNECTIONS, 8));
  return takeTurns(contenders, { ...options, roundSeconds: Math.max(2, options.roundSeconds) });
}

async function compareGateway({ workspace, hotpath, client, options }: BenchContext) {
  const images = Array.from({ length: 4 }, (_, index) => syntheticRow(WIDTH, index));
  const config = { sloMs: 10_000, instances: 1, intraOpThreads: 1 };
  const resnet = await workspace.addModel('resnet18', buildResnet18(), [3, 224, 224], images, config);
  const irisRows = Array.from({ length: 8 }, (_, index) => irisRow(index));
  const iris = await workspace.addModel('iris', trainIris().model, [4], irisRows);
  const upstream = await startHotpath(hotpath);
  const modelsDir = await mkdtemp(join(tmpdir(), 'hotpath-bench-gateway-'));
  try {
    for (const { name } of [resnet, iris]) {
      const address = `grpc://${upstream.grpc.host}:${upstream.grpc.port}`;
      const remote = { engine: 'remote', upstream: { addresses: [address] }, sloMs: 10_000 };
      await mkdir(join(modelsDir, name));
      await writeFile(join(modelsDir, name, 'model.json'), JSON.stringify(remote));
    }
    const gateway = await startHotpath({ ...hotpath, modelsDir });
    try {
      const sides = [running('upstream asked directly', upstream), running('through the gateway', gateway)];
      const contenders = sides.map((side) => httpContender(client, side(resnet, 'binary'), GATEWAY_CONNECTIONS, 12));
      const results = await takeTurns(contenders, { ...options, roundSeconds: Math.max(4, options.roundSeconds) });
      const blocks = options.quick ? 10 : 30;
      const times: [number[], number[]] = [[], []];
      for (let block = -2; block < blocks; block++) {
        for (const [index, server] of [upstream, gateway].entries()) {
          const { target } = server;
          const requests = hotpathRequests(iris, 'json', target);
          const job = { kind: 'closed', target, requests, connections: 1, count: BLOCK_REQUESTS } as const;
          const report = await client.generator.run(job);
          if (report.wrong > 0) throw new Error(`A request through the gateway failed: ${report.firstWrong}`);
          // The first blocks warm up.
          if (block >= 0) times[index]!.push(report.latency.p50Ms);
        }
      }
      const [direct, through] = times;
      const addedMs = median(through.map((value, block) => value - direct[block]!));
      return { results, blocks, directMs: median(direct), throughMs: median(through), addedMs };
    } finally {
      await gateway.stop();
    }
  } finally {
    await upstream.stop();
    await rm(modelsDir, { recursive: true, force: true });
  }
}

/** A server that runs already, as a contender; whoever started it stops it. */
function running(name: string, server: RunningServer) {
  return (model: BenchModel, wire: 'binary'): Competitor => ({
    name,
    start: async () => ({ ...server, stop: async () => {} }),
    requests: ({ target }) => hotpathRequests(model, wire, target),
  });
}
