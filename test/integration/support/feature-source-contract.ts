/**
 * What every FeatureSource must do, whatever is behind it. A test file calls `featureSourceContract` at its top level with how the source
 * is opened and how features are put where it looks.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { pickFeatures } from '../../../src/core/features/feature-row.ts';
import { SourceFailure } from '../../../src/core/features/source-failure.ts';
import type { TensorSpec } from '../../../src/core/tensor.ts';
import type { FeatureSource } from '../../../src/ports/feature-source.ts';
import { until } from './until.ts';

export interface StoredFeatures {
  readonly age: number;
  readonly ratio: number;
  readonly city: string;
  /** Decimal text of a 64-bit integer. */
  readonly big: string;
}

export interface FeatureWorld {
  readonly source: FeatureSource;
  put(entity: string, features: StoredFeatures): Promise<void>;
  /** Ends the service behind the source, and brings it back with what it knew or empty; absent where there is none. */
  stop?(): Promise<void>;
  start?(): Promise<void>;
  close(): Promise<void>;
}

export interface FeatureSetup {
  readonly name: string;
  /** Why nothing of it can run here. */
  readonly skip?: string | false;
  open(): Promise<FeatureWorld>;
}

const inputs: readonly TensorSpec[] = [
  { name: 'age', datatype: 'int32', shape: [-1, 1] },
  { name: 'ratio', datatype: 'float64', shape: [-1, 1] },
  { name: 'city', datatype: 'string', shape: [-1, 1] },
  { name: 'big', datatype: 'int64', shape: [-1, 1] },
];

const hostile = [
  "o'; DROP TABLE features; --",
  '../other',
  '..%2fother',
  'a,b',
  'a/b?c=d#e',
  '{entity}',
  '{entities}',
  '$1',
  '$&',
  '*',
  '__proto__',
  'constructor',
  ' ',
  'Zoë 日本 😀',
  'user:42',
  'é'.repeat(256),
];

const sample = (age: number): StoredFeatures => ({ age, ratio: age / 8, city: `city ${age}`, big: '9007199254740993' });

export function featureSourceContract({ name, skip = false, open }: FeatureSetup): void {
  describe(`source of features: ${name}`, { skip }, () => {
    let world: FeatureWorld;
    before(async () => {
      world = await open();
    });
    after(async () => {
      await world?.close();
    });

    /** As the model gets them; in as many calls as the source needs. */
    const fetch = async (...entities: string[]): Promise<unknown[]> => {
      const { source } = world;
      const size = source.maxBatch ?? 100;
      const rows: unknown[] = [];
      for (let at = 0; at < entities.length; at += size) {
        for (const row of await source.fetchMany(entities.slice(at, at + size))) {
          const picked = row === undefined ? undefined : { ...pickFeatures(row, inputs, source.text ?? false) };
          rows.push(picked === undefined ? undefined : { ...picked, big: String(picked.big) });
        }
      }
      return rows;
    };

    it('answers in the order of the entities, undefined for those it does not know', async () => {
      await world.put('a', sample(1));
      await world.put('b', sample(2));
      assert.deepEqual(await fetch('b', 'nobody', 'a', 'b'), [sample(2), undefined, sample(1), sample(2)]);
    });

    it('takes every name as a name and nothing else', async () => {
      for (const [index, entity] of hostile.entries()) {
        assert.deepEqual(await fetch(entity), [undefined], entity);
        await world.put(entity, sample(index));
      }
      assert.deepEqual(
        await fetch(...hostile),
        hostile.map((_, index) => sample(index)),
      );
    });

    it('answers hundreds', async () => {
      for (let index = 0; index < 250; index++) await world.put(`many:${index}`, sample(index));
      const entities = Array.from({ length: 250 }, (_, index) => `many:${index}`);
      assert.deepEqual(
        await fetch(...entities),
        entities.map((_, index) => sample(index)),
      );
    });

    it('rejects while its service is gone, and answers when it is back', async (context) => {
      if (world.stop === undefined) {
        context.skip('there is no service');
        return;
      }
      await world.stop();
      await assert.rejects(fetch('a'), SourceFailure);
      await world.start!();
      await until(() =>
        fetch('a').then(
          () => true,
          () => false,
        ),
      );
    });
  });
}
