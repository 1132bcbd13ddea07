/** Prediction records for tests of the database: every field set, ids that sort by time. Deterministic by seed. */
import { randomBytes } from 'node:crypto';
import type { Logger } from '../../../src/ports/logger.ts';
import type { PredictionRecord } from '../../../src/ports/prediction-store.ts';

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

let sequence = 0;

/** A UUID of version 7: later calls with the same time give greater ids. */
export function idAt(unixMs: number): string {
  const time = unixMs.toString(16).padStart(12, '0');
  const counter = (sequence++).toString(16).padStart(8, '0');
  const hex = `${time}7${counter.slice(0, 3)}8${counter.slice(3)}${randomBytes(5).toString('hex')}`;
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}

export function prediction(changes: Partial<PredictionRecord> = {}): PredictionRecord {
  const createdMs = changes.createdMs ?? Date.now();
  return {
    id: changes.id ?? idAt(createdMs),
    createdMs,
    model: 'iris',
    version: '1',
    status: 'OK',
    caller: 'key:abcdefghijkl',
    rows: 1,
    durationMs: 0.3125,
    cache: 'miss',
    inputKey: new Uint8Array(16).fill(7),
    inputs: new Uint8Array([1, 2, 3]),
    outputs: new Uint8Array([4, 5]),
    ...changes,
  };
}
