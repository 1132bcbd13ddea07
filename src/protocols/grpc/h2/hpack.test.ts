/** HPACK against the examples of RFC 7541, appendix C, and against bytes that mean nothing. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HpackDecoder } from './hpack-decoder.ts';
import { emptyTable, encodeFields, encodeStatus } from './hpack-encoder.ts';
import { decodeHuffman } from './huffman.ts';
import { ConnectionError, errorCode } from './protocol.ts';

function decodeAll(decoder: HpackDecoder, bytes: Buffer): string[] {
  const fields: string[] = [];
  decoder.decode(bytes, 0, bytes.length, ({ name, value }) => fields.push(`${name}: ${value}`));
  return fields;
}

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

const requests = [
  [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'],
  [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com', 'cache-control: no-cache'],
  [':method: GET', ':scheme: https', ':path: /index.html', ':authority: www.example.com', 'custom-key: custom-value'],
];

const dates = { first: 'Mon, 21 Oct 2013 20:13:21 GMT', second: 'Mon, 21 Oct 2013 20:13:22 GMT' };
const cookie = 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1';

describe('HpackDecoder with the examples of RFC 7541', () => {
  it('reads single fields (C.2)', () => {
    const cases = [
      ['400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572', 'custom-key: custom-header'],
      ['040c 2f73 616d 706c 652f 7061 7468', ':path: /sample/path'],
      ['1008 7061 7373 776f 7264 0673 6563 7265 74', 'password: secret'],
      ['82', ':method: GET'],
    ] as const;
    for (const [bytes, field] of cases) assert.deepEqual(decodeAll(new HpackDecoder(), hex(bytes)), [field]);
  });

  it('reads requests without Huffman (C.3) and with it (C.4)', () => {
    const plain = [
      '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '8286 84be 5808 6e6f 2d63 6163 6865',
      '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    ];
    const coded = [
      '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
      '8286 84be 5886 a8eb 1064 9cbf',
      '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    ];
    for (const blocks of [plain, coded]) {
      const decoder = new HpackDecoder();
      for (const [index, block] of blocks.entries()) assert.deepEqual(decodeAll(decoder, hex(block)), requests[index]);
    }
  });

  it('reads responses that evict fields from a table of 256 bytes (C.5, C.6)', () => {
    const plain = [
      `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768
       7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
      '4803 3330 37c1 c0bf',
      `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153
       444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e
       3d31`,
    ];
    const coded = [
      `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8
       e9ae 82ae 43d3`,
      '4883 640e ffc1 c0bf',
      `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b
       3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
    ];
    const rest = ['cache-control: private', `date: ${dates.first}`, 'location: https://www.example.com'];
    const wanted = [
      [':status: 302', ...rest],
      [':status: 307', ...rest],
      [
        ':status: 200',
        'cache-control: private',
        `date: ${dates.second}`,
        'location: https://www.example.com',
        'content-encoding: gzip',
        `set-cookie: ${cookie}`,
      ],
    ];
    for (const blocks of [plain, coded]) {
      const decoder = new HpackDecoder();
      decodeAll(decoder, hex('3fe101'));
      for (const [index, block] of blocks.entries()) {
        assert.deepEqual(decodeAll(decoder, hex(block.replaceAll('\n', ''))), wanted[index]);
      }
    }
  });
});

describe('HpackDecoder with broken blocks', () => {
  const cases: Readonly<Record<string, string>> = {
    'index 0': '80',
    'an index beyond the table': 'be',
    'a string beyond the end': '400a 61',
    'no value': '4001 61',
    'an integer without its end': 'ff',
    'an integer that is too long': 'ff80 8080 8080 8001',
    'a table size beyond the limit': '3fe2 1f',
    'a table size after a field': '8220',
    'padding that is too long': '0082 1fff 00',
    'padding of zeros': '0081 18 00',
    'the end-of-string word': '0084 ffff ffff 00',
  };
  for (const [name, bytes] of Object.entries(cases)) {
    it(`refuses ${name}`, () => {
      const { code } = catchFrom(() => decodeAll(new HpackDecoder(), hex(bytes))) as ConnectionError;
      assert.equal(code, errorCode.compressionError);
    });
  }

  it('reads any bytes or says COMPRESSION_ERROR', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 }), (blocks) => {
        const decoder = new HpackDecoder();
        const error = catchFrom(() => {
          for (const block of blocks) decodeAll(decoder, Buffer.from(block));
        });
        assert.ok(error === undefined || (error as ConnectionError).code === errorCode.compressionError);
      }),
      { numRuns: 2000 },
    );
  });

  it('decodes Huffman or says that it cannot', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), (bytes) => {
        const text = decodeHuffman(bytes, 0, bytes.length);
        assert.ok(text === undefined || text.length <= Math.ceil((bytes.length * 8) / 5));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the encoder', () => {
  it('writes what the decoder reads', () => {
    const text = fc.string({
      maxLength: 400,
      unit: fc.integer({ min: 0x20, max: 0xff }).map((c) => String.fromCharCode(c)),
    });
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[a-z][a-z-]{0,20}$/), text), (fields) => {
        const bytes = Buffer.concat([Buffer.of(emptyTable), encodeStatus(200), encodeFields(fields)]);
        const wanted = Object.entries(fields).map(([name, value]) => `${name}: ${value}`);
        assert.deepEqual(decodeAll(new HpackDecoder(), bytes), [':status: 200', ...wanted]);
      }),
    );
  });

  it('writes any status', () => {
    for (const status of [200, 204, 400, 404, 405, 415, 431, 500]) {
      assert.deepEqual(decodeAll(new HpackDecoder(), encodeStatus(status)), [`:status: ${status}`]);
    }
  });
});

function catchFrom(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
    return error;
  }
}
