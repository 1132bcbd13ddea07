/**
 * Saves connections that node:cluster was handing to a process that died. The primary accepts, sends the socket, and keeps its own
 * copy open until the process says "accepted". When the process is killed in between, the child's channel waits for ever for the
 * receipt of the handle, never says 'disconnect', and the client hangs: about one per `kill -9` under load (Node 26.10).
 * Called by supervisor.ts for every forked process. It speaks cluster's internal messages ({act: 'newconn', seq}, answered by
 * {ack: seq, accepted}); should they change, it does nothing.
 */
import type { Worker } from 'node:cluster';

interface ClusterMessage {
  readonly act?: string;
  readonly seq?: number;
  readonly ack?: number;
  accepted?: boolean;
}

type Send = (message: ClusterMessage, ...rest: unknown[]) => boolean;

/** What the dead process wrote before its end is read first; a channel that some grandchild holds open is not waited for longer. */
const channelEndLimitMs = 1000;

/**
 * @param canPassOn whether another process listens. Then the primary is told "not accepted" and hands the socket on: safe, since
 *   a process that never said "accepted" never read from it. Otherwise it is told "accepted", which makes it close its copy.
 */
export function guardHandoffs(worker: Worker, canPassOn: () => boolean): void {
  const child = worker.process;
  const unanswered = new Set<number>();
  const send = child.send.bind(child) as Send;
  const guardedSend: Send = (message, ...rest) => {
    if (message.act === 'newconn' && message.seq !== undefined) unanswered.add(message.seq);
    return send(message, ...rest);
  };
  child.send = guardedSend as typeof child.send;
  // Before cluster's own listener, which reads the same message.
  child.prependListener('internalMessage', (message: ClusterMessage) => {
    if (message.ack === undefined || !unanswered.delete(message.ack)) return;
    // A process that drains refuses what was on its way to it. When nobody else listens, the primary would keep the socket
    // in a queue that nobody serves; "accepted" makes it close its copy, and the client learns at once.
    if (message.accepted === false && !canPassOn()) message.accepted = true;
  });
  let disconnected = false;
  child.once('disconnect', () => {
    disconnected = true;
  });
  const settle = () => {
    // Makes cluster take the process off its list of receivers.
    if (!disconnected) child.emit('disconnect');
    for (const seq of unanswered) {
      child.emit('internalMessage', { cmd: 'NODE_CLUSTER', ack: seq, accepted: !canPassOn() });
    }
  };
  child.once('exit', () => {
    const limitMs = performance.now() + channelEndLimitMs;
    const waitForEnd = () => {
      if (child.connected && performance.now() < limitMs) setImmediate(waitForEnd);
      else settle();
    };
    waitForEnd();
  });
}
