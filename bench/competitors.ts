/** Who takes part, how each is started, and what it is asked: the same rows for all, each with the answer it must give. */

import { fileURLToPath } from 'node:url';
import { pack } from 'msgpackr';
import type { Target } from '../src/loadtest/http-connection.ts';
import type { Expectation, LoadRequest } from '../src/loadtest/load-job.ts';
import { buildRequest } from '../src/loadtest/requests.ts';
import type { Competitor } from './http-contender.ts';
import type { RunningServer } from './processes.ts';
import { freePort, startServer } from './processes.ts';
import { rowToJson } from './rows.ts';
import type { BenchModel } from './workspace.ts';

const TOLERANCE = 1e-4;
export const bareTensorName = 'bare socket server';

const JSON_HEADERS = { 'Content-Type': 'application/json' };

const pathOf = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

export function echo(model: BenchModel): Competitor {
  return {
    name: 'bare node:http echo',
    start: () => startNode('./peers/echo.ts', []),
    requests: ({ target }) =>
      model.rows.map(({ input }) => ({
        bytes: jsonRequest(target, '/predict', { features: rowToJson(input) }),
        expect: [{ kind: 'json', path: ['prediction'], value: rowToJson(input)[0]!, tolerance: TOLERANCE }],
      })),
  };
}

export function naive(model: BenchModel): Competitor {
  return {
    name: 'naive node server',
    start: () => startNode('./peers/naive.ts', [model.path, JSON.stringify(model.rowShape)]),
    requests: ({ target }) => peerRequests(model, target),
  };
}

/** The bare socket server of large tensors; see its file. */
export function bareTensor(model: BenchModel, sessions: number): Competitor {
  return {
    name: bareTensorName,
    start: () => startNode('./peers/bare-tensor.ts', [model.path, JSON.stringify(model.rowShape), String(sessions)]),
    requests: ({ target }) =>
      model.rows.map(({ input, outputs }) => ({ bytes: binaryRequest(target, '/', input), expect: floats(outputs) })),
  };
}

/** All three shapes of the FastAPI server that fit this machine, by name. */
export function fastApiVariants(model: BenchModel, python: string | undefined, cores: number): Competitor[] {
  if (python === undefined) return [];
  const variants = [fastApi(model, { python, workers: 1, batcher: false })];
  if (cores > 1) variants.push(fastApi(model, { python, workers: cores, batcher: false }));
  return [...variants, fastApi(model, { python, workers: 1, batcher: true })];
}

/** The same server asked with raw floats in and out, for inputs too large for JSON. */
export function fastApiRaw(model: BenchModel, options: FastApiOptions): Competitor {
  const json = fastApi(model, options);
  return {
    name: `${json.name}, raw`,
    start: json.start,
    requests: ({ target }) =>
      model.rows.map(({ input, outputs }) => ({
        bytes: binaryRequest(target, '/predict/raw', input),
        expect: floats(outputs),
      })),
  };
}

export interface FastApiOptions {
  readonly python: string;
  readonly workers: number;
  readonly batcher: boolean;
}

export function fastApi(model: BenchModel, options: FastApiOptions): Competitor {
  const { python, workers, batcher } = options;
  const shape = JSON.stringify(model.rowShape);
  const args = [pathOf('./peers/fastapi_server.py'), '--model', model.path, '--row-shape', shape];
  args.push('--workers', String(workers));
  if (batcher) args.push('--batcher');
  return {
    name: `FastAPI, ${workers} worker${workers > 1 ? 's' : ''}${batcher ? ', batcher' : ''}`,
    start: () => startServer({ command: python, args, readyPath: '/' }),
    requests: ({ target }) => peerRequests(model, target),
  };
}

export interface HotpathOptions {
  readonly modelsDir: string;
  readonly nodeArguments: readonly string[];
}

export interface HotpathServer extends RunningServer {
  readonly admin: Target;
  readonly grpc: Target;
}

/** Starts the real server as a user would, quiet, on free ports. */
export async function startHotpath(options: HotpathOptions, extra: readonly string[] = []): Promise<HotpathServer> {
  const [port, adminPort, grpcPort] = [await freePort(), await freePort(), await freePort()];
  const args = [...options.nodeArguments, pathOf('../src/cli/main.ts'), 'serve', '--log-level', 'warn', '--preload'];
  args.push('--models', options.modelsDir, '--cache-dir', `${options.modelsDir}/.cache`);
  args.push('--port', String(port), '--admin-port', String(adminPort), '--grpc-port', String(grpcPort), ...extra);
  const server = await startServer({ command: process.execPath, args, port, readyPath: '/health/ready' });
  const at = (port: number): Target => ({ host: '127.0.0.1', port });
  return { ...server, admin: at(adminPort), grpc: at(grpcPort) };
}

/** `patient` brings a deadline of its own, so that nothing is refused: for finding the capacity. */
export type HotpathWire = 'json' | 'json, batching off' | 'json, patient' | 'msgpack' | 'binary';

/** With other settings than a user has at first. */
export interface HotpathVariant {
  readonly name: string;
  readonly args: readonly string[];
}

export function hotpath(
  model: BenchModel,
  wire: HotpathWire,
  options: HotpathOptions,
  variant?: HotpathVariant,
): Competitor {
  return {
    name: variant?.name ?? (wire === 'json' ? 'Hotpath' : `Hotpath, ${wire}`),
    start: () => startHotpath(options, ['--default-model', model.name, ...(variant?.args ?? [])]),
    requests: ({ target }) => hotpathRequests(model, wire, target),
  };
}

const jsonOptions = {
  json: undefined,
  'json, batching off': { batching: 'off' },
  'json, patient': { timeoutMs: 60_000 },
} as const;

/** @throws Error for a model of several outputs asked over the binary wire. */
export function hotpathRequests(model: BenchModel, wire: HotpathWire, target: Target): readonly LoadRequest[] {
  return model.rows.map(({ input, outputs }) => {
    if (wire === 'binary') {
      return { bytes: binaryRequest(target, `/api/v1/models/${model.name}/predict`, input), expect: floats(outputs) };
    }
    if (wire === 'msgpack') {
      const headers = { 'Content-Type': 'application/msgpack', Accept: 'application/msgpack' };
      // A typed array packs as binary extension; a plain array is what any MessagePack client can send.
      const body = pack({ features: rowToJson(input) });
      const bytes = buildRequest(target, { method: 'POST', path: '/api/v1/predict', headers, body });
      return { bytes, expect: prediction('msgpack', outputs) };
    }
    const options = jsonOptions[wire];
    const bytes = jsonRequest(target, '/api/v1/predict', { features: rowToJson(input), options });
    return { bytes, expect: prediction('json', outputs) };
  });
}

/** A tensor over the Open Inference Protocol, the same way in and out; for models of one input and one output. */
export function oipTensor(model: BenchModel, wire: 'json' | 'binary', options: HotpathOptions): Competitor {
  return {
    name: `Hotpath, OIP ${wire === 'json' ? 'JSON' : 'binary'}`,
    start: () => startHotpath(options, ['--default-model', model.name]),
    requests: ({ target }) =>
      model.rows.map(({ input, outputs }) => ({
        bytes: oipRequest(target, model, wire, input),
        expect:
          wire === 'binary'
            ? [{ kind: 'float32', where: 'end', values: Float32Array.from(outputs[0]!), tolerance: TOLERANCE }]
            : [{ kind: 'json', path: ['outputs', 0, 'data'], value: outputs[0]!, tolerance: TOLERANCE }],
      })),
  };
}

function oipRequest(target: Target, model: BenchModel, wire: 'json' | 'binary', input: Float32Array): Uint8Array {
  const path = `/v2/models/${model.name}/infer`;
  const tensor = { name: 'X', shape: [1, ...model.rowShape], datatype: 'FP32' };
  if (wire === 'json') return jsonRequest(target, path, { inputs: [{ ...tensor, data: rowToJson(input) }] });
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
  const inputs = [{ ...tensor, parameters: { binary_data_size: bytes.length } }];
  const json = Buffer.from(JSON.stringify({ inputs, parameters: { binary_data_output: true } }));
  const headers = {
    'Content-Type': 'application/octet-stream',
    'Inference-Header-Content-Length': String(json.length),
  };
  return buildRequest(target, { method: 'POST', path, headers, body: Buffer.concat([json, bytes]) });
}

function binaryRequest(target: Target, path: string, input: Float32Array): Uint8Array {
  const headers = { 'Content-Type': 'application/octet-stream', Accept: 'application/octet-stream' };
  const body = new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  return buildRequest(target, { method: 'POST', path, headers, body });
}

function floats(outputs: readonly (readonly number[])[]): Expectation[] {
  if (outputs.length !== 1) throw new Error('A raw answer carries one output.');
  return [{ kind: 'float32', values: Float32Array.from(outputs[0]!), tolerance: TOLERANCE }];
}

/** A classifier answers its label and probabilities; a model of one output answers that. */
function prediction(kind: 'json' | 'msgpack', outputs: readonly (readonly number[])[]): Expectation[] {
  const [first, second] = outputs as [readonly number[], (readonly number[])?];
  const value = first.length === 1 ? first[0]! : first;
  const expect: Expectation[] = [{ kind, path: ['prediction'], value, tolerance: TOLERANCE }];
  if (second !== undefined) expect.push({ kind, path: ['probabilities'], value: second, tolerance: TOLERANCE });
  return expect;
}

function peerRequests(model: BenchModel, target: Target): readonly LoadRequest[] {
  return model.rows.map(({ input, outputs }) => ({
    bytes: jsonRequest(target, '/predict', { features: rowToJson(input) }),
    expect: [{ kind: 'json', path: ['outputs'], value: outputs, tolerance: TOLERANCE }],
  }));
}

function jsonRequest(target: Target, path: string, body: object): Uint8Array {
  return buildRequest(target, { method: 'POST', path, headers: JSON_HEADERS, body: JSON.stringify(body) });
}

function startNode(script: string, args: readonly string[]): Promise<RunningServer> {
  return startServer({ command: process.execPath, args: [pathOf(script), ...args], readyPath: '/' });
}
