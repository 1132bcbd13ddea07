/** What the leases of a CacheStore must do; for those whose leases several servers share. Two stores stand for two servers. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { CacheStore, LeaseStore } from '../../../src/ports/cache-store.ts';
import type { CacheStoreSetup } from './cache-store-contract.ts';
import { until } from './until.ts';

const minute = 60_000;

export function cacheLeaseContract(setup: CacheStoreSetup): void {
  describe(`leases of the cache store ${setup.name}`, { skip: setup.skip ?? false }, () => {
    let stores: readonly [CacheStore, CacheStore];
    before(async () => {
      stores = [await setup.open(), await setup.open()];
    });
    beforeEach(() => stores[0].deletePrefix(''));
    after(() => Promise.all((stores ?? []).map((store) => store.close())));

    const withLeases = (run: (own: LeaseStore, other: LeaseStore) => Promise<void>) => () =>
      run(stores[0].leases!, stores[1].leases!);

    it(
      'go to exactly one of fifty who ask at once',
      withLeases(async (own, other) => {
        for (let round = 0; round < 5; round++) {
          const asked = Array.from({ length: 50 }, (_, index) =>
            (index % 2 === 0 ? own : other).acquire(`fifty:${round}`, minute),
          );
          assert.equal((await Promise.all(asked)).filter((won) => won).length, 1);
        }
      }),
    );

    it(
      'are given again after their release',
      withLeases(async (own, other) => {
        assert.equal(await own.acquire('released', minute), true);
        assert.equal(await own.acquire('released', minute), false);
        await own.release('released');
        assert.equal(await other.acquire('released', minute), true);
      }),
    );

    it(
      'are not released by another, nor by a former owner',
      withLeases(async (own, other) => {
        assert.equal(await own.acquire('mine', minute), true);
        await other.release('mine');
        assert.equal(await other.acquire('mine', minute), false);

        assert.equal(await own.acquire('former', 1), true);
        await until(() => other.acquire('former', minute));
        await own.release('former');
        assert.equal(await own.acquire('former', minute), false);
      }),
    );

    it(
      'end by themselves',
      withLeases(async (own, other) => {
        assert.equal(await own.acquire('ends', 30), true);
        await until(() => other.acquire('ends', minute));
      }),
    );

    it(
      'are no entries of the cache',
      withLeases(async (own) => {
        assert.equal(await own.acquire('apart', minute), true);
        assert.deepEqual(await stores[0].getMany(['apart']), [undefined]);
        assert.equal(await stores[0].deletePrefix('apart'), 0);
        assert.equal(await own.acquire('apart', minute), false);
      }),
    );
  });
}
