/**
 * Entry of a model runner's process: one session, one request at a time, on file descriptor 3. Started by model-runner.ts, which kills it
 * when done; it also ends when its parent does. Speaks runner-protocol.ts.
 */
import { Socket } from 'node:net';
import { HotpathError } from '../../core/errors.ts';
import type { Tensor } from '../../core/tensor.ts';
import { readFrames, sendFrame } from './runner-frames.ts';
import type { RunnerReply, RunnerRequest } from './runner-protocol.ts';
import type { Session } from './session.ts';
import { openSession, warmUpRuntime } from './session.ts';

const socket = new Socket({ fd: 3, readable: true, writable: true });
socket.on('close', () => process.exit(0));
socket.on('error', () => process.exit(0));

let session: Session | undefined;
let idleBytes = 0;

readFrames(socket, (request) => void reply(request as RunnerRequest));

async function reply(request: RunnerRequest): Promise<void> {
  sendFrame(socket, await answer(request));
}

async function answer(request: RunnerRequest): Promise<RunnerReply> {
  try {
    if (request.kind === 'open') {
      await warmUpRuntime();
      idleBytes = process.memoryUsage.rss();
      session = await openSession(request.session);
      return { signature: session.signature };
    }
    if (session === undefined) throw new HotpathError('MODEL_FAILED', 'No model is open.');
    return request.kind === 'run' ? await run(session, request) : await time(session, request);
  } catch (error) {
    if (!(error instanceof HotpathError)) throw error;
    return { failed: error.message, code: error.code === 'MODEL_FAILED' ? 'MODEL_FAILED' : 'ENGINE_FAILED' };
  }
}

async function run(opened: Session, request: Extract<RunnerRequest, { kind: 'run' }>): Promise<RunnerReply> {
  const names = request.fetches ?? opened.signature.outputs.map(({ name }) => name);
  const results = await opened.run(inputsOf(opened, request.feeds), names);
  return { outputs: Object.fromEntries(names.map((name, index) => [name, results[index]!])) };
}

/** Of the time that is measured: so long a process that was idle takes to run evenly again (ResNet-18 in INT8: 6.8 ms, then 5.6). */
const warmUpShare = 1 / 3;

/** The same input again and again. The first runs are no measure: they may have to allocate, and the caches hold what another process ran. */
async function time(opened: Session, request: Extract<RunnerRequest, { kind: 'time' }>): Promise<RunnerReply> {
  const inputs = inputsOf(opened, request.feeds);
  const warmAt = performance.now() + warmUpShare * request.budgetMs;
  do await opened.run(inputs);
  while (performance.now() < warmAt);
  const durationsMs: number[] = [];
  const endsAt = performance.now() + request.budgetMs;
  do {
    const startedAt = performance.now();
    await opened.run(inputs);
    durationsMs.push(performance.now() - startedAt);
  } while (performance.now() < endsAt);
  return { durationsMs, residentBytes: Math.max(0, process.memoryUsage.rss() - idleBytes) };
}

function inputsOf(opened: Session, feeds: Readonly<Record<string, Tensor>>): Tensor[] {
  return opened.signature.inputs.map(({ name }) => {
    const tensor = feeds[name];
    if (tensor === undefined) throw new HotpathError('ENGINE_FAILED', `Input "${name}" was not given.`);
    return tensor;
  });
}
