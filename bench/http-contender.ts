/** A server over HTTP as a contender: its requests are loaded by wrk or the own generator, its answers checked by the latter. */
import type { LoadRequest } from '../src/loadtest/load-job.ts';
import type { Client } from './measure.ts';
import { measure, verifyAnswers } from './measure.ts';
import type { RunningServer } from './processes.ts';
import type { Contender } from './rounds.ts';

export interface Competitor {
  readonly name: string;
  readonly start: () => Promise<RunningServer>;
  readonly requests: (server: RunningServer) => readonly LoadRequest[];
}

/** Answers compared before each round, `verifyCount` of them at the same concurrency. */
export function httpContender(
  client: Client,
  competitor: Competitor,
  connections: number,
  verifyCount = 640,
): Contender {
  const { name } = competitor;
  return {
    name,
    start: async () => {
      const server = await competitor.start();
      const requests = competitor.requests(server);
      return {
        verify: () => verifyAnswers(client.generator, name, server, requests, connections, verifyCount),
        measure: (seconds) => measure(client, server, requests, connections, seconds),
        stop: server.stop,
      };
    },
  };
}
