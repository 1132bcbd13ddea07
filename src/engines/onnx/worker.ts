/**
 * Entry of an engine worker thread: one session, one batch at a time. Started by worker-thread.ts; speaks worker-protocol.ts.
 * Every error of a run is answered as a sentence; only a defect, or a message that is no request, ends the thread.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { HotpathError } from '../../core/errors.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { Session, SessionSpec } from './session.ts';
import { openSession } from './session.ts';
import type { RunMessage, RunReply, WorkerGreeting, WorkerRequest } from './worker-protocol.ts';
import { appendTensors, readTensors } from './worker-protocol.ts';

/** Below this a new buffer costs less than a returned one. */
const minGivenBackBytes = 4096;

const port = parentPort!;

const session = await start();

async function start(): Promise<Session | undefined> {
  let greeting: WorkerGreeting;
  try {
    const opened = await openSession(workerData as SessionSpec);
    const { signature, executionProvider, notes } = opened;
    greeting = { ready: true, signature, executionProvider, notes };
    port.postMessage(greeting);
    return opened;
  } catch (error) {
    if (!(error instanceof HotpathError)) throw error;
    greeting = { ready: false, reason: error.message };
    port.postMessage(greeting);
    return undefined;
  }
}

async function answer(opened: Session, message: RunMessage): Promise<void> {
  const outputs = message[0] ?? undefined;
  const transfer: ArrayBuffer[] = [];
  let reply: RunReply;
  try {
    const inputs = readTensors(message, 1, opened.signature.inputs);
    const startedAt = performance.now();
    const results = await opened.run(inputs, outputs);
    reply = [performance.now() - startedAt, giveBack(inputs, transfer)];
    appendTensors(results, reply, transfer);
  } catch (error) {
    if (!(error instanceof HotpathError)) throw error;
    reply = error.message;
  }
  port.postMessage(reply, transfer);
}

/** Large input buffers go back to be filled again. An output may share memory with an input only by being the same buffer. */
function giveBack(inputs: readonly Tensor[], transfer: ArrayBuffer[]): ArrayBuffer[] {
  const buffers: ArrayBuffer[] = [];
  for (const { data } of inputs) {
    if (Array.isArray(data) || data.byteLength < minGivenBackBytes || transfer.includes(data.buffer)) continue;
    buffers.push(data.buffer);
    transfer.push(data.buffer);
  }
  return buffers;
}

async function end(opened: Session): Promise<void> {
  await opened.release();
  port.close();
}

if (session !== undefined) {
  port.on('message', (message: WorkerRequest) => {
    if (message === null) void end(session);
    else if (Array.isArray(message)) void answer(session, message as RunMessage);
    else throw new Error('unknown request');
  });
}
