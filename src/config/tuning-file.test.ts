import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { TuningEntry } from '../ports/tuning.ts';
import { hasEntry, readTuning, replaceEntry } from './tuning-file.ts';

const machine = { cpu: 'AMD EPYC', cores: 2, runtime: 'onnxruntime-node 1.30.0' };
const entry: TuningEntry = {
  ...machine,
  modelDigest: 'abc',
  settings: {
    instances: 2,
    intraOpThreads: 1,
    maxBatchSize: 8,
    graphOptimizationLevel: 'all',
    executionProvider: 'cpu',
  },
  sloMs: 100,
  tunedAt: '2026-01-31T12:00:00.000Z',
};
const fileOf = (...entries: unknown[]) => JSON.stringify({ version: 1, entries });

describe('reading tuning.json', () => {
  it('gives the entries of this machine, and says whether there are others', () => {
    const other = { ...entry, cores: 8 };
    assert.deepEqual(readTuning(fileOf(entry, other), machine), { entries: [entry], others: true });
    assert.deepEqual(readTuning(fileOf(entry), machine), { entries: [entry], others: false });
    for (const key of ['cpu', 'runtime'] as const) {
      assert.deepEqual(readTuning(fileOf(entry), { ...machine, [key]: 'else' }), { entries: [], others: true });
    }
  });

  it('passes over what it does not know', () => {
    const text = fileOf({ ...entry, measured: [{ p50Ms: 1 }], settings: { ...entry.settings, affinity: '1' } });
    assert.deepEqual(readTuning(text, machine).entries, [entry]);
  });

  it('says in one sentence why a file is not used', () => {
    const problemOf = (text: string) => readTuning(text, machine).problem;
    assert.equal(problemOf('{'), 'tuning.json is not used: it is not valid JSON.');
    assert.equal(problemOf('[]'), 'tuning.json is not used: it has no list "entries".');
    assert.equal(
      problemOf('{"version": 2, "entries": []}'),
      'tuning.json is not used: it has the format version 2, not 1.',
    );
    assert.equal(problemOf(fileOf(7)), 'tuning.json is not used: it needs an object at entries[0], not 7.');
    assert.equal(
      problemOf(fileOf(entry, { ...entry, settings: { ...entry.settings, instances: 0 } })),
      'tuning.json is not used: it needs "instances" (integer from 1 to 256) at entries[1].settings, not 0.',
    );
    assert.match(problemOf(fileOf({ ...entry, tunedAt: 'yesterday' }))!, /needs "tunedAt" \(time\) at entries\[0\]/);
    const { cpu: _, ...without } = entry;
    assert.match(problemOf(fileOf(without))!, /needs "cpu" \(string\) at entries\[0\], not nothing/);
  });

  it('never throws, and never gives settings that are none', () => {
    const damaged = fc
      .record({
        field: fc.constantFrom(...Object.keys(entry), ...Object.keys(entry.settings)),
        value: fc.oneof(fc.jsonValue(), fc.constantFrom(-1, 0, 1.5, 1e9, '', 'all', 'cpu')),
      })
      .map(({ field, value }) =>
        field in entry
          ? fileOf({ ...entry, [field]: value })
          : fileOf({ ...entry, settings: { ...entry.settings, [field]: value } }),
      );
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), damaged), (text) => {
        const { entries, problem } = readTuning(text, machine);
        if (problem !== undefined) assert.deepEqual(entries, []);
        for (const { settings, sloMs } of entries) {
          const { instances, intraOpThreads, maxBatchSize } = settings;
          for (const count of [instances, intraOpThreads, maxBatchSize])
            assert.ok(Number.isInteger(count) && count >= 1);
          assert.ok(sloMs >= 0);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('writing tuning.json', () => {
  it('replaces the entry with the same key and keeps all others as they are', () => {
    const foreign = { ...entry, cores: 64, note: 'kept' };
    const before = fileOf(foreign, { ...entry, sloMs: 1 }, { ...entry, modelDigest: 'def' });
    const after = replaceEntry(before, entry, { ...entry, gain: 2 })!;
    assert.deepEqual(JSON.parse(after), {
      version: 1,
      entries: [foreign, { ...entry, modelDigest: 'def' }, { ...entry, gain: 2 }],
    });
    assert.equal(readTuning(after, machine).problem, undefined);
  });

  it('begins a file, and takes an entry out', () => {
    const first = replaceEntry(undefined, entry, entry)!;
    assert.ok(hasEntry(first, entry));
    assert.ok(!hasEntry(first, { ...entry, cores: 3 }));
    assert.deepEqual(JSON.parse(replaceEntry(first, entry, undefined)!), { version: 1, entries: [] });
  });

  it('leaves alone what is no such file', () => {
    for (const text of ['', 'nonsense', '{"entries": 1}', '{"version": 9, "entries": []}']) {
      assert.equal(replaceEntry(text, entry, entry), undefined);
    }
  });

  it('keeps the last entry of each key, whatever the order', () => {
    const keys = fc.array(fc.record({ modelDigest: fc.constantFrom('a', 'b'), cores: fc.integer({ min: 1, max: 3 }) }));
    fc.assert(
      fc.property(keys, (list) => {
        let text: string | undefined;
        for (const [index, key] of list.entries())
          text = replaceEntry(text, { ...entry, ...key }, { ...entry, ...key, sloMs: index });
        const last = new Map(list.map((key, index) => [JSON.stringify(key), index]));
        const kept = text === undefined ? [] : (JSON.parse(text) as { entries: TuningEntry[] }).entries;
        assert.deepEqual(
          new Map(kept.map(({ modelDigest, cores, sloMs }) => [JSON.stringify({ modelDigest, cores }), sloMs])),
          last,
        );
      }),
    );
  });
});
