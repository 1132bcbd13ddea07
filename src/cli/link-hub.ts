/**
 * The supervisor's side of broadcasts: passes a question to every other serving process and gathers the answers, with one
 * entry per process asked, whatever happens to it meanwhile. Called by supervisor.ts. Knows nothing of what is asked.
 */
import type { LinkReply, ToWorker } from './worker-messages.ts';

export interface HubPeer {
  readonly id: number;
  /** False once it is gone; the message is then dropped. */
  send(message: ToWorker): boolean;
}

interface Round {
  readonly open: Set<number>;
  readonly replies: LinkReply[];
  readonly finish: () => void;
}

export class LinkHub {
  readonly #rounds = new Map<number, Round>();
  #nextRound = 1;

  /** Asks `peers` on behalf of `asker`, who gets `replies` with its own `askerRound` id. */
  broadcast(asker: HubPeer, askerRound: number, body: unknown, timeoutMs: number, peers: readonly HubPeer[]): void {
    const id = this.#nextRound++;
    const replies: LinkReply[] = [];
    const timer = setTimeout(() => this.#closeAll(id, `No answer within ${timeoutMs} ms.`), timeoutMs);
    const finish = () => {
      clearTimeout(timer);
      this.#rounds.delete(id);
      replies.sort((a, b) => a.workerId - b.workerId);
      asker.send({ hotpath: 'replies', id: askerRound, replies });
    };
    const round: Round = { open: new Set(peers.map((peer) => peer.id)), replies, finish };
    this.#rounds.set(id, round);
    for (const peer of peers) {
      if (!peer.send({ hotpath: 'deliver', id, body })) this.#settle(id, this.#gone(peer.id));
    }
    if (round.open.size === 0 && this.#rounds.has(id)) finish();
  }

  reply(round: number, workerId: number, value: unknown): void {
    this.#settle(round, { workerId, ok: true, value });
  }

  fail(round: number, workerId: number, error: string): void {
    this.#settle(round, { workerId, ok: false, error });
  }

  /** A process died: whoever waits for it gets that as its reply. */
  peerGone(workerId: number): void {
    for (const id of [...this.#rounds.keys()]) this.#settle(id, this.#gone(workerId));
  }

  #gone(workerId: number): LinkReply {
    return { workerId, ok: false, error: 'The process ended before it answered.' };
  }

  #settle(id: number, reply: LinkReply): void {
    const round = this.#rounds.get(id);
    // Late, or not asked: a reply counts once.
    if (!round?.open.delete(reply.workerId)) return;
    round.replies.push(reply);
    if (round.open.size === 0) round.finish();
  }

  #closeAll(id: number, error: string): void {
    for (const workerId of [...(this.#rounds.get(id)?.open ?? [])]) this.fail(id, workerId, error);
  }
}
