/** A writer with a fake clock and a store whose answers the test decides, for tests of the prediction log only. */
import type { Logger } from '../../../ports/logger.ts';
import type { PredictionRecord } from '../../../ports/prediction-store.ts';
import { seededRandom } from '../../seeded-random.ts';
import { SimulatedClock } from '../../simulated-clock.ts';
import type { ModelView } from '../../types.ts';
import type { PendingPrediction } from '../pending-prediction.ts';
import { PredictionIds } from '../prediction-id.ts';
import { PredictionWriter, type PredictionWriterOptions } from '../prediction-writer.ts';

export const irisView: ModelView = {
  name: 'iris',
  version: '3',
  signature: {
    inputs: [{ name: 'features', datatype: 'float32', shape: [-1, 4] }],
    outputs: [
      { name: 'label', datatype: 'string', shape: [-1] },
      { name: 'probabilities', datatype: 'float32', shape: [-1, 3] },
    ],
    skippedOutputs: [],
  },
  batchable: true,
  labels: undefined,
  nan: 'reject',
};

/** Each insert waits until the test lets it succeed or fail. */
export class HeldStore {
  readonly stored = new Map<string, PredictionRecord>();
  readonly attempts: (readonly PredictionRecord[])[] = [];
  #held: { readonly finish: (error?: Error) => void }[] = [];

  get inFlight(): number {
    return this.#held.length;
  }

  insertMany(records: readonly PredictionRecord[]): Promise<void> {
    this.attempts.push(records);
    return new Promise((resolve, reject) => {
      const finish = (error?: Error): void => {
        if (error !== undefined) {
          reject(error);
          return;
        }
        for (const record of records) this.stored.set(record.id, record);
        resolve();
      };
      this.#held.push({ finish });
    });
  }

  /** Ends the oldest insert in flight. */
  async finish(error?: Error): Promise<void> {
    this.#held.shift()!.finish(error);
    await turn();
  }
}

/** Lets all promises settle that can. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export interface LogLine {
  readonly level: string;
  readonly message: string;
}

export function listLogger(lines: LogLine[]): Logger {
  const at = (level: string) => (_fields: object, message: string) => void lines.push({ level, message });
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

export function seededIds(seed = 1): PredictionIds {
  const random = seededRandom(seed);
  return new PredictionIds((words) => {
    for (let index = 0; index < words.length; index++) words[index] = random() * 2 ** 32;
  });
}

export function makeWorld(
  options: Partial<PredictionWriterOptions> & { readonly store: PredictionWriterOptions['store'] },
) {
  const clock = new SimulatedClock();
  const ids = seededIds();
  const lines: LogLine[] = [];
  const writer = new PredictionWriter({
    clock,
    random: seededRandom(7),
    logger: listLogger(lines),
    digest: (bytes) => bytes.subarray(0, 16),
    mode: 'async',
    capacity: 100_000,
    full: 'drop',
    ...options,
  });
  const pending = (changes: Partial<PendingPrediction> = {}): PendingPrediction => ({
    id: ids.next(1_700_000_000_000 + Math.floor(clock.now())),
    createdMs: ids.lastMs,
    model: irisView,
    status: 'OK',
    caller: '',
    rows: 1,
    durationMs: 1.5,
    cache: '',
    inputs: undefined,
    outputs: undefined,
    settle: undefined,
    ...changes,
  });
  return { clock, writer, pending, lines };
}
