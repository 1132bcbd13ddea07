/**
 * Features in Redis: one key per entity, a hash whose fields are features or a string that holds a JSON object. Speaks no Redis itself:
 * the composition root passes the reading function of the link it has.
 */
import type { FeatureRow, FeatureSource, FeaturesConfig } from '../../ports/feature-source.ts';
import { asFeatureRow } from './feature-row.ts';
import { SourceFailure } from './source-failure.ts';

/** By key, in order: the fields of a hash, the text of a string, undefined when there is no such key. One round trip. */
export type ReadFeatures = (
  keys: readonly string[],
) => Promise<readonly (Readonly<Record<string, string>> | string | undefined)[]>;

/** `close` is called when the last model that uses it is gone. */
export function redisFeatures(
  config: FeaturesConfig,
  read: ReadFeatures,
  close: () => Promise<void> = async () => {},
): FeatureSource {
  return {
    text: true,
    close,
    fetchMany: async (entities) => {
      const found = await readOf(
        read,
        entities.map((entity) => config.key.replaceAll('{entity}', () => entity)),
      );
      return found.map((value) => (typeof value === 'string' ? parse(value) : ownFields(value)));
    },
  };
}

async function readOf(read: ReadFeatures, keys: readonly string[]): ReturnType<ReadFeatures> {
  try {
    return await read(keys);
  } catch (error) {
    // The link repeats and reconnects by itself.
    throw new SourceFailure(error instanceof Error ? error.message : 'Redis failed.', false, { cause: error });
  }
}

function parse(text: string): FeatureRow {
  const row = asFeatureRow(jsonOf(text));
  if (row === undefined)
    throw new SourceFailure('A key holds text that is no JSON object of features.', false, { answered: true });
  return row;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A key that does not exist reads as an empty hash too. */
function ownFields(hash: Readonly<Record<string, string>> | undefined): FeatureRow | undefined {
  if (hash === undefined) return undefined;
  for (const _ in hash) return hash;
  return undefined;
}
