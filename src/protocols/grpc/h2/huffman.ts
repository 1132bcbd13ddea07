/**
 * HPACK's Huffman code (RFC 7541, appendix B), decoding only: nothing that we send is worth compressing. The code is canonical, so
 * the lengths of its words are all there is to know.
 */

/** Bits of the words for the bytes 0 to 255; the end-of-string word has 30. */
const wordLengths = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6,
  5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23,
  22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22,
  23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26,
  20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27,
  27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27,
  27, 27, 27, 26,
];

/**
 * Tables of 256 entries, one per prefix of whole bytes; the first is for the start of a word. An entry is 0: no such word;
 * negative: go on in table `-entry`; else the byte and, above it, the bits of the word that lie in this table.
 */
const tables = buildTables();

function buildTables(): Int32Array {
  const built = [new Int32Array(256)];
  const symbols = wordLengths.map((_, symbol) => symbol).sort((a, b) => wordLengths[a]! - wordLengths[b]! || a - b);
  let word = 0;
  let bits = 0;
  for (const symbol of symbols) {
    const length = wordLengths[symbol]!;
    word *= 2 ** (length - bits);
    bits = length;
    addWord(built, symbol, word, length);
    word += 1;
  }
  const flat = new Int32Array(built.length * 256);
  for (const [index, table] of built.entries()) flat.set(table, index * 256);
  return flat;
}

function addWord(built: Int32Array[], symbol: number, word: number, length: number): void {
  let table = built[0]!;
  let left = length;
  for (; left > 8; left -= 8) {
    const index = (word >>> (left - 8)) & 0xff;
    if (table[index] === 0) table[index] = -(built.push(new Int32Array(256)) - 1);
    table = built[-table[index]!]!;
  }
  const first = (word << (8 - left)) & 0xff;
  table.fill(symbol | (left << 8), first, first + (1 << (8 - left)));
}

let scratch = Buffer.allocUnsafeSlow(4096);

/** The text of the bytes from `start` to `end`, as latin1; undefined when they are no Huffman code. */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number): string | undefined {
  // The shortest words have five bits.
  const most = Math.ceil(((end - start) * 8) / 5);
  if (most > scratch.length) scratch = Buffer.allocUnsafeSlow(most);
  let length = 0;
  let read = 0;
  let bits = 0;
  /** Of the word under way. */
  let open = 0;
  let table = 0;
  for (let at = start; at < end; at++) {
    read = (read << 8) | bytes[at]!;
    bits += 8;
    open += 8;
    while (bits >= 8) {
      const entry = tables[table + ((read >>> (bits - 8)) & 0xff)]!;
      if (entry === 0) return undefined;
      if (entry < 0) {
        bits -= 8;
        table = -entry << 8;
        continue;
      }
      bits -= entry >>> 8;
      open = bits;
      table = 0;
      scratch[length++] = entry & 0xff;
    }
  }
  while (bits > 0) {
    const entry = tables[table + ((read << (8 - bits)) & 0xff)]!;
    if (entry <= 0 || entry >>> 8 > bits) break;
    bits -= entry >>> 8;
    open = bits;
    table = 0;
    scratch[length++] = entry & 0xff;
  }
  const padding = (1 << bits) - 1;
  if (open > 7 || (read & padding) !== padding) return undefined;
  return scratch.toString('latin1', 0, length);
}
