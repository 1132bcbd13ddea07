/**
 * Feature rows as others write them: a hash, or a string with JSON, under a key that is theirs. Made by open-redis.ts, called by the
 * feature source. Reads only; what the row means is checked by whoever asks.
 */
import type { Clock } from '../../ports/clock.ts';
import { BatchedReader } from './batched-reader.ts';
import type { Connections } from './connections.ts';
import { Script } from './script.ts';

/** A hash by field, a string as it is; undefined: no such key, or one of another type. */
export type StoredRow = Readonly<Record<string, string>> | string | undefined;

/** Decides by type in one round trip; asking for both would count an error for each key in Redis' statistics. */
const readScript = new Script(`
local rows = {}
for index, key in ipairs(KEYS) do
  local type = redis.call('TYPE', key).ok
  if type == 'hash' then rows[index] = redis.call('HGETALL', key)
  elseif type == 'string' then rows[index] = redis.call('GET', key)
  else rows[index] = false end
end
return rows
`);

export class RedisFeatures {
  readonly #reader: BatchedReader<unknown>;

  constructor(connections: Connections, clock: Clock) {
    this.#reader = new BatchedReader(clock, (keys) =>
      connections.send(async (redis) => (await readScript.run(redis, keys)) as unknown[]),
    );
  }

  /** By key, in order, in one round trip. */
  async read(keys: readonly string[]): Promise<StoredRow[]> {
    return keys.length === 0 ? [] : (await this.#reader.read(keys)).map(toRow);
  }
}

function toRow(answer: unknown): StoredRow {
  if (typeof answer === 'string') return answer;
  if (!Array.isArray(answer)) return undefined;
  // No prototype: a field may have any name.
  const row: Record<string, string> = Object.create(null);
  for (let index = 0; index < answer.length; index += 2) row[answer[index]] = answer[index + 1];
  return row;
}
