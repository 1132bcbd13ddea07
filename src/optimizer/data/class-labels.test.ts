import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HotpathError } from '../../core/errors.ts';
import { numberLabels, parseClassNames } from './class-labels.ts';

const names = ['n01440764 tench, Tinca tinca', 'n01443537 goldfish, Carassius auratus', 'Great White_shark'];

describe('labels', () => {
  it('that are numbers stay as they are', () => {
    const { labels, classNames, notes } = numberLabels(['2', '0', '1.5'], undefined);
    assert.deepEqual([[...labels], classNames, notes], [[2, 0, 1.5], undefined, []]);
  });

  it('that are names are found in the list, by the whole, by WordNet number or by one of the words for it', () => {
    const { labels } = numberLabels(['goldfish', 'n01440764', 'great white shark', 'TINCA TINCA', names[1]!], names);
    assert.deepEqual([...labels], [1, 0, 2, 0, 1]);
  });

  it('that are both a number and a name are the name', () => {
    assert.deepEqual([...numberLabels(['7', '3'], ['3', '5', '7']).labels], [2, 0]);
    assert.deepEqual([...numberLabels(['1', '0'], ['no', 'yes']).labels], [1, 0]);
  });

  it('without a list are numbered in the order of the alphabet, and the report says so', () => {
    const { labels, classNames, notes } = numberLabels(['setosa', 'virginica', 'setosa', 'rosa'], undefined);
    assert.deepEqual(
      [[...labels], classNames],
      [
        [1, 2, 1, 0],
        ['rosa', 'setosa', 'virginica'],
      ],
    );
    assert.match(notes[0]!, /numbered in the order of their names \(0 rosa, 1 setosa, 2 virginica\)/);
  });

  it('that are in no list are refused by name', () => {
    assert.throws(
      () => numberLabels(['goldfish', 'whale'], names),
      /"whale" is none of the 3 class names \("n01440764/,
    );
  });
});

describe('a list of class names', () => {
  it('is lines, a JSON list or a JSON object by number', () => {
    assert.deepEqual(parseClassNames('\uFEFFcat\r\ndog\n'), ['cat', 'dog']);
    assert.deepEqual(parseClassNames('["cat", "dog"]'), ['cat', 'dog']);
    assert.deepEqual(parseClassNames('{"1": "dog", "0": "cat"}'), ['cat', 'dog']);
  });

  it('is refused when names are missing', () => {
    for (const text of ['', 'cat', 'cat\n\ndog', '{"0": "cat", "2": "dog"}', '[1, 2]', '{broken', '[]']) {
      assert.throws(() => parseClassNames(text), HotpathError, text);
    }
  });

  it('comes back from JSON whatever the names are', () => {
    const name = fc.string({ minLength: 1 }).filter((text) => text.trim() === text && text !== '');
    fc.assert(
      fc.property(fc.array(name, { minLength: 2 }), (list) => {
        assert.deepEqual(parseClassNames(JSON.stringify(list)), list);
      }),
    );
  });
});
