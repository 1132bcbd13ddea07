/**
 * What every CacheStore must do, whatever is behind it. A test file starts its server and calls `cacheStoreContract` at its top
 * level; each test begins with an empty store. `open` is called several times, always over the same data.
 */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import type { CacheEntry, CacheStore, FarTier, StoredValue } from '../../../src/ports/cache-store.ts';
import { until } from './until.ts';

export interface CacheStoreSetup {
  readonly name: string;
  readonly tier: FarTier;
  /** Why nothing of it can run here; false or undefined: it can. */
  readonly skip?: string | false;
  /** A ready store over the data that all stores of this setup share. Whoever calls it closes it. */
  open(): Promise<CacheStore>;
}

const minute = 60_000;

export function textEntry(key: string, text: string, ttlMs = minute): CacheEntry {
  return { key, value: new TextEncoder().encode(text), ttlMs };
}

function textsOf(found: readonly (StoredValue | undefined)[]): (string | undefined)[] {
  return found.map((each) => (each === undefined ? undefined : new TextDecoder().decode(each.value)));
}

/** A copy as a plain Uint8Array, so that a Buffer equals it. */
function bytesOf(found: StoredValue | undefined): Uint8Array | undefined {
  return found === undefined ? undefined : new Uint8Array(found.value);
}

export function cacheStoreContract(setup: CacheStoreSetup): void {
  describe(`the cache store ${setup.name}`, { skip: setup.skip ?? false }, () => {
    let store: CacheStore;
    before(async () => {
      store = await setup.open();
    });
    beforeEach(() => store.deletePrefix(''));
    after(() => store?.close());
    const texts = async (...keys: string[]) => textsOf(await store.getMany(keys));

    it('says which tier it is', () => {
      assert.equal(store.tier, setup.tier);
    });

    it('gives what was set, in the order that was asked, and nothing for what was not', async () => {
      await store.setMany([textEntry('m/1/h:a', 'A'), textEntry('m/1/h:b', 'B'), textEntry('m/1/h:c', 'C')]);
      assert.deepEqual(await texts('m/1/h:c', 'm/1/h:never', 'm/1/h:a', 'm/1/h:b', 'm/1/h:a'), [
        'C',
        undefined,
        'A',
        'B',
        'A',
      ]);
    });

    it('lets the later entry of a key win, in one call and over calls', async () => {
      await store.setMany([textEntry('k', 'first'), textEntry('other', 'o'), textEntry('k', 'second')]);
      assert.deepEqual(await texts('k'), ['second']);
      await store.setMany([textEntry('k', 'third', 2 * minute)]);
      const [found] = await store.getMany(['k']);
      assert.deepEqual(textsOf([found]), ['third']);
      assert.ok(found!.ttlMs > minute, `${found!.ttlMs} ms left of two minutes`);
    });

    it('answers empty lists', async () => {
      assert.deepEqual(await store.getMany([]), []);
      await store.setMany([]);
    });

    it('keeps keys apart that differ in case, and takes all printable characters up to 512', async () => {
      const printable = Array.from({ length: 94 }, (_, index) => String.fromCharCode(33 + index)).join('');
      const long = printable.repeat(6).slice(0, 512);
      await store.setMany([textEntry('Key', 'upper'), textEntry('key', 'lower'), textEntry(long, 'long')]);
      assert.deepEqual(await texts('key', 'Key', 'KEY', long), ['lower', 'upper', undefined, 'long']);
    });

    it('says how much time is left, and never zero', async () => {
      await store.setMany([textEntry('long', 'L', minute), textEntry('short', 'S', 100)]);
      const [long] = await store.getMany(['long']);
      assert.ok(long!.ttlMs > minute - 20_000 && long!.ttlMs <= minute, `${long!.ttlMs} ms left of a minute`);
      await until(async () => {
        const [short] = await store.getMany(['short']);
        if (short !== undefined) assert.ok(short.ttlMs > 0 && short.ttlMs <= 100, `${short.ttlMs} ms left of 100`);
        return short === undefined;
      });
      assert.deepEqual(await texts('long'), ['L']);
    });

    it('takes an entry back whose time was over', async () => {
      await store.setMany([textEntry('again', 'old', 1)]);
      await until(async () => (await store.getMany(['again']))[0] === undefined);
      await store.setMany([textEntry('again', 'new')]);
      assert.deepEqual(await texts('again'), ['new']);
    });

    it('gives back any bytes', async () => {
      const bytes = fc.oneof(
        fc.uint8Array({ maxLength: 3000 }),
        fc
          .tuple(fc.uint8Array({ minLength: 1, maxLength: 20 }), fc.integer({ min: 1, max: 300 }))
          .map(([piece, times]) => new Uint8Array(Array.from({ length: times }, () => [...piece]).flat())),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(bytes, { minLength: 1, maxLength: 8 }), async (values) => {
          await store.setMany(values.map((value, index) => ({ key: `bytes:${index}`, value, ttlMs: minute })));
          const found = await store.getMany(values.map((_, index) => `bytes:${index}`));
          assert.deepEqual(found.map(bytesOf), values);
        }),
        { numRuns: 40 },
      );
    });

    for (const size of [0, 64 * 1024, 2 * 1024 * 1024]) {
      it(`gives back ${size} bytes, with a pattern or without`, async () => {
        const values = [new Uint8Array(size), new Uint8Array(size).map(() => Math.random() * 256)];
        await store.setMany(values.map((value, index) => ({ key: `size:${index}`, value, ttlMs: minute })));
        const found = await store.getMany(['size:0', 'size:1']);
        for (const [index, value] of values.entries()) {
          assert.equal(found[index]?.value.byteLength, size);
          assert.equal(Buffer.compare(found[index]!.value, value), 0);
        }
      });
    }

    it('reads the bytes of a view, not those around it, and is done with them when it resolves', async () => {
      const whole = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);
      await store.setMany([{ key: 'view', value: whole.subarray(2, 5), ttlMs: minute }]);
      whole.fill(9);
      assert.deepEqual((await store.getMany(['view'])).map(bytesOf), [new Uint8Array([3, 4, 5])]);
    });

    it('drops by prefix what begins with it, whatever characters a name has, and counts it', async () => {
      const names = ['a', 'ab', 'A', 'a*', 'a?', 'a[b]', 'a\\', 'a%', 'a_', 'a^', 'a-b', '*', '?', '%', '\\'];
      for (const name of names) {
        await store.deletePrefix('');
        await store.setMany(names.flatMap((each) => [textEntry(`${each}/1`, each), textEntry(`${each}/2`, each)]));
        assert.equal(await store.deletePrefix(`${name}/`), 2, `dropped for ${name}/`);
        const left = await store.getMany(names.map((each) => `${each}/2`));
        assert.deepEqual(
          textsOf(left),
          names.map((each) => (each === name ? undefined : each)),
        );
      }
    });

    it('drops everything, over more entries than one page, and leaves what has another prefix', async () => {
      const many = Array.from({ length: 2500 }, (_, index) => textEntry(`many/${index}`, `${index}`));
      await store.setMany([...many, textEntry('manyother', 'stays')]);
      assert.equal(await store.deletePrefix('many/'), 2500);
      assert.deepEqual(await texts('many/0', 'many/2499', 'manyother'), [undefined, undefined, 'stays']);
      assert.equal(await store.deletePrefix(''), 1);
      assert.deepEqual(await texts('manyother'), [undefined]);
      assert.equal(await store.deletePrefix(''), 0);
    });

    it('gives each of many callers at once its own answer', async () => {
      await Promise.all(
        Array.from({ length: 200 }, async (_, caller) => {
          const keys = [`c/${caller}/x`, `c/${caller}/y`];
          await store.setMany(keys.map((key) => textEntry(key, `${key} of ${caller}`)));
          assert.deepEqual(await texts(keys[1]!, `c/${caller}/absent`, keys[0]!), [
            `${keys[1]} of ${caller}`,
            undefined,
            `${keys[0]} of ${caller}`,
          ]);
        }),
      );
    });

    it('shares its entries with other stores over the same data', async () => {
      const other = await setup.open();
      try {
        await other.setMany([textEntry('shared', 'by the other')]);
        assert.deepEqual(await texts('shared'), ['by the other']);
        assert.equal(await store.deletePrefix('shared'), 1);
        assert.deepEqual(textsOf(await other.getMany(['shared'])), [undefined]);
      } finally {
        await other.close();
      }
    });

    it('finishes what was begun when it is closed, then rejects, and may be closed twice', async () => {
      const closing = await setup.open();
      const writes = Array.from({ length: 50 }, (_, index) =>
        closing.setMany([textEntry(`close/${index}`, 'written')]),
      );
      const read = closing.getMany(['close/never']);
      await Promise.all([closing.close(), closing.close()]);
      await Promise.all(writes);
      assert.deepEqual(await read, [undefined]);
      await closing.close();
      await assert.rejects(closing.getMany(['close/0']));
      await assert.rejects(closing.setMany([textEntry('close/late', 'too late')]));
      await assert.rejects(closing.deletePrefix('close/'));
      assert.deepEqual(await texts('close/0', 'close/49', 'close/late'), ['written', 'written', undefined]);
    });
  });
}
