import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HotpathError } from '../../core/errors.ts';
import { errorTrailers, percentEncode } from './status.ts';
import { parseTimeout } from './timeout.ts';

describe('errorTrailers', () => {
  it('says when to come back after a refusal under load, and only then', () => {
    const pushback = (error: HotpathError) => errorTrailers(error)['grpc-retry-pushback-ms'];
    assert.equal(pushback(new HotpathError('OVERLOADED', 'full', { retryAfterSeconds: 0.0301 })), '31');
    assert.equal(pushback(new HotpathError('RATE_LIMITED', 'slow down')), '1000');
    assert.equal(pushback(new HotpathError('INVALID_INPUT', 'wrong')), undefined);
  });

  it('keeps the message within what clients accept, and decodable', () => {
    const encoded = errorTrailers(new HotpathError('INVALID_INPUT', `x${'🦊'.repeat(5000)}`))['grpc-message']!;
    assert.ok(encoded.length > 3900 && encoded.length <= 4096, String(encoded.length));
    assert.match(decodeURIComponent(encoded), /^x(🦊)+\uFFFD?$/u);
  });

  it('shows nothing of what is no error of ours', () => {
    const trailers = errorTrailers(new TypeError('x is undefined in /srv/app.js'));
    assert.equal(trailers['grpc-status'], '13');
    assert.doesNotMatch(trailers['grpc-message']!, /undefined|srv/);
  });
});

describe('percentEncode', () => {
  it('gives header values that decode to the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const encoded = percentEncode(text);
        assert.match(encoded, /^[\x20-\x7e]*$/);
        assert.equal(decodeURIComponent(encoded), text);
      }),
    );
  });
});

describe('parseTimeout', () => {
  it('reads every unit', () => {
    const units = ['2H', '3M', '4S', '5m', '6u', '7000n', '0S'];
    const milliseconds = units.map((header) => Number(parseTimeout(header)!.toFixed(6)));
    assert.deepEqual(milliseconds, [7_200_000, 180_000, 4000, 5, 0.006, 0.007, 0]);
    assert.equal(parseTimeout(undefined), undefined);
  });

  it('refuses anything else', () => {
    for (const wrong of ['', '5', 'S', '123456789S', '-1S', '1.5S', '5s', ' 5S', '5S ']) {
      assert.throws(() => parseTimeout(wrong), { code: 'INVALID_INPUT' }, wrong);
    }
  });
});
