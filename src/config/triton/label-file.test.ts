import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseLabels } from './label-file.ts';

describe('a label file', () => {
  it('has a class name per line, trimmed, with any line ends', () => {
    assert.deepEqual(parseLabels('cat\r\n dog \nbird\n\n', 'l.txt'), ['cat', 'dog', 'bird']);
    assert.deepEqual(parseLabels('\uFEFFtench, Tinca tinca\rgrüße', 'l.txt'), ['tench, Tinca tinca', 'grüße']);
    assert.deepEqual(parseLabels('one', 'l.txt'), ['one']);
  });

  it('keeps the number of a class behind an empty line', () => {
    assert.deepEqual(parseLabels('\na\n\nb', 'l.txt'), ['', 'a', '', 'b']);
  });

  it('is refused when it is empty, too large or no text', () => {
    for (const [text, message] of [
      ['', 'The label file "l.txt" is empty; expected one class name per line.'],
      [' \n\n', 'The label file "l.txt" is empty; expected one class name per line.'],
      ['a\0b', 'The label file "l.txt" is no text file.'],
      ['\na'.repeat(1_000_001), 'The label file "l.txt" has more than 1000000 lines.'],
      ['a'.repeat(8 * 2 ** 20 + 1), 'The label file "l.txt" is larger than 8 MiB.'],
      [`a\n${'b'.repeat(1025)}`, 'The label file "l.txt" has a line longer than 1024 characters, line 2.'],
    ] as const) {
      assert.throws(() => parseLabels(text, 'l.txt'), { code: 'INVALID_INPUT', message });
    }
  });
});
