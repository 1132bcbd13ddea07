import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Keyed, KeyTable } from './key-table.ts';

interface Item extends Keyed {
  readonly value: number;
  next: this | undefined;
}

test('it does what a Map does, also when keys share their number', () => {
  // Keys that differ only where the table does not look have the same number.
  const long = fc.nat(3).map((digit) => `${'a'.repeat(301)}${digit}${'b'.repeat(300)}`);
  const keys = fc.oneof(fc.nat(9).map(String), long, fc.string({ maxLength: 3 }));
  fc.assert(
    fc.property(fc.array(fc.tuple(keys, fc.boolean()), { maxLength: 60 }), fc.integer(), (steps, seed) => {
      const table = new KeyTable<Item>(seed);
      const model = new Map<string, Item>();
      for (const [value, [key, add]] of steps.entries()) {
        const there = table.get(key);
        assert.equal(there, model.get(key));
        if (add && there === undefined) {
          const item: Item = { key, value, hash: 0, next: undefined };
          table.add(item);
          model.set(key, item);
        } else if (!add && there !== undefined) {
          table.remove(there);
          model.delete(key);
        }
        assert.equal(table.size, model.size);
      }
      for (const [key, item] of model) assert.equal(table.get(key), item);
    }),
  );
});

test('keys that share their number are found and removed one by one', () => {
  const table = new KeyTable<Item>(1);
  const items = [0, 1, 2, 3].map((digit): Item => {
    return { key: `${'a'.repeat(301)}${digit}${'b'.repeat(300)}`, value: digit, hash: 0, next: undefined };
  });
  for (const item of items) table.add(item);
  for (const remove of [2, 0, 3, 1]) {
    assert.equal(table.get(items[remove]!.key), items[remove]);
    table.remove(items[remove]!);
    assert.equal(table.get(items[remove]!.key), undefined);
  }
  assert.equal(table.size, 0);
});
