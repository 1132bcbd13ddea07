import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type AddressClass, classOf } from './address-class.ts';
import { HostPolicy } from './host-policy.ts';

type Quad = readonly [number, number, number, number];

const byte = fc.integer({ min: 0, max: 255 });
const forbiddenQuad: fc.Arbitrary<Quad> = fc.oneof(
  fc.tuple(fc.constant(169), fc.constant(254), byte, byte),
  fc.tuple(fc.constant(0), byte, byte, byte),
  fc.tuple(fc.integer({ min: 224, max: 255 }), byte, byte, byte),
  fc.constantFrom<Quad>([100, 100, 100, 200], [168, 63, 129, 16], [192, 0, 0, 192]),
);

const dotted = (quad: Quad): string => quad.join('.');
const hexGroup = (high: number, low: number): string => ((high << 8) | low).toString(16);
const asV6 = ([a, b, c, d]: Quad): string => `${hexGroup(a, b)}:${hexGroup(c, d)}`;

/** Every way in which a URL may spell an IPv4 address. */
const spelling = (quad: Quad): fc.Arbitrary<string> => {
  const [a, b, c, d] = quad;
  const whole = ((a * 256 + b) * 256 + c) * 256 + d;
  const hex = (value: number): string => `0x${value.toString(16)}`;
  const octal = (value: number): string => `0${value.toString(8)}`;
  const one = (value: number): fc.Arbitrary<string> => fc.constantFrom(String(value), hex(value), octal(value));
  return fc.oneof(
    fc.constantFrom(String(whole), hex(whole), octal(whole)),
    fc.tuple(one(a), one(b), one(c), one(d)).map((parts) => parts.join('.')),
    fc.tuple(one(a), one(b), one(c * 256 + d)).map((parts) => parts.join('.')),
    fc.tuple(one(a), one((b * 256 + c) * 256 + d)).map((parts) => parts.join('.')),
    fc.constantFrom(`${dotted(quad)}.`, encodeURIComponent(dotted(quad)).replaceAll('.', '%2e')),
    fc.constant(
      [...dotted(quad)]
        .map((sign) => (sign === '.' ? '。' : String.fromCharCode(sign.charCodeAt(0) + 0xfee0)))
        .join(''),
    ),
    fc.constantFrom(
      `[::ffff:${dotted(quad)}]`,
      `[::ffff:${asV6(quad)}]`,
      `[0:0:0:0:0:FFFF:${asV6(quad).toUpperCase()}]`,
      `[::${dotted(quad)}]`,
      `[64:ff9b::${dotted(quad)}]`,
      `[2002:${asV6(quad)}::1]`,
    ),
  );
};

describe('address classes', () => {
  const table: readonly (readonly [string, AddressClass])[] = [
    ['8.8.8.8', 'public'],
    ['169.253.255.255', 'public'],
    ['169.255.0.0', 'public'],
    ['223.255.255.255', 'public'],
    ['10.1.2.3', 'private'],
    ['172.15.0.1', 'public'],
    ['172.16.0.1', 'private'],
    ['172.32.0.1', 'public'],
    ['192.168.0.1', 'private'],
    ['127.0.0.1', 'private'],
    ['100.64.0.1', 'private'],
    ['100.100.100.200', 'forbidden'],
    ['169.254.169.254', 'forbidden'],
    ['255.255.255.255', 'forbidden'],
    ['239.1.1.1', 'forbidden'],
    ['0.0.0.0', 'forbidden'],
    ['0.1.2.3', 'forbidden'],
    ['::', 'forbidden'],
    ['::1', 'private'],
    ['::2', 'forbidden'],
    ['::ffff:127.0.0.1', 'private'],
    ['::ffff:8.8.8.8', 'public'],
    ['::ffff:a9fe:a9fe', 'forbidden'],
    ['64:ff9b::a9fe:a9fe', 'forbidden'],
    ['64:ff9b::808:808', 'public'],
    ['fe80::1', 'forbidden'],
    ['fe80::1%eth0', 'forbidden'],
    ['febf:ffff::1', 'forbidden'],
    ['fc00::1', 'private'],
    ['fd00:ec2::254', 'forbidden'],
    ['fd00:0ec2:0:0:0:0:0:0254', 'forbidden'],
    ['fd00:ec2::253', 'private'],
    ['ff02::1', 'forbidden'],
    ['2001:4860:4860::8888', 'public'],
    ['2001:0:4136::1', 'forbidden'],
    ['2002:a9fe:a9fe::1', 'forbidden'],
    ['nonsense', 'forbidden'],
    ['', 'forbidden'],
    ['1.2.3', 'forbidden'],
  ];
  for (const [address, expected] of table) {
    it(`calls ${address || 'nothing'} ${expected}`, () => assert.equal(classOf(address), expected));
  }
});

describe('the policy of hosts', () => {
  it('refuses every spelling of every forbidden address, also when the operator names it', () => {
    const cases = forbiddenQuad.chain((quad) => fc.tuple(fc.constant(quad), spelling(quad)));
    fc.assert(
      fc.property(cases, ([quad, host]) => {
        const url = URL.parse(`http://${host}/`);
        if (url === null) return;
        // Named exactly, in its own spelling and in the plain one.
        const policy = new HostPolicy(`${url.hostname},${dotted(quad)}`);
        assert.throws(() => policy.check(url), /is not among featureHosts|never connected to/, url.hostname);
      }),
      { numRuns: 2000 },
    );
  });

  it('takes any spelling of an allowed address for what it is', () => {
    const policy = new HostPolicy('127.0.0.1:8080,[::1]:8080');
    for (const host of ['127.0.0.1', '2130706433', '0x7f.1', '0177.0.0.1', '127.1', '127.0.0.1.', '[0:0::1]']) {
      policy.check(new URL(`http://${host}:8080/x`));
    }
    assert.throws(() => policy.check(new URL('http://127.0.0.2:8080/')), /127\.0\.0\.2:8080 is not among featureHosts/);
  });

  it('compares names without case, last dots and the port of the scheme', () => {
    const policy = new HostPolicy('Features.Internal, db.internal:8080,any.internal:*');
    policy.check(new URL('http://features.INTERNAL./'));
    policy.check(new URL('https://features.internal:443/'));
    policy.check(new URL('http://db.internal:8080'));
    policy.check(new URL('http://any.internal:1234'));
    for (const wrong of ['http://features.internal:81/', 'http://db.internal/', 'http://xfeatures.internal/']) {
      assert.throws(() => policy.check(new URL(wrong)), /is not among featureHosts/, wrong);
    }
  });

  it('lets a pattern stand for names below it, not for the name itself or one that only ends alike', () => {
    const policy = new HostPolicy('*.example.com');
    policy.check(new URL('http://a.example.com/'));
    policy.check(new URL('http://a.b.example.com/'));
    for (const wrong of ['http://example.com/', 'http://badexample.com/', 'http://example.com.evil.org/']) {
      assert.throws(() => policy.check(new URL(wrong)), /is not among featureHosts/, wrong);
    }
  });

  it('lets names lead to private addresses only when they are named exactly', () => {
    const policy = new HostPolicy('inner.example.com,*.example.com');
    const exact = new URL('http://inner.example.com/');
    const byPattern = new URL('http://other.example.com/');
    for (const address of ['10.0.0.1', '127.0.0.1', '::1', 'fd12::1', '::ffff:10.0.0.1']) {
      policy.checkAddress(exact, address);
      assert.throws(() => policy.checkAddress(byPattern, address), /featureHosts names it only by a pattern/, address);
    }
    policy.checkAddress(byPattern, '8.8.8.8');
    assert.throws(() => policy.checkAddress(exact, '169.254.169.254'), /which is never connected to/);
  });

  it('allows nothing when it is empty, and says so', () => {
    assert.throws(() => new HostPolicy(' ').check(new URL('http://a.test/')), {
      message: 'The host a.test is not among featureHosts (none).',
    });
  });

  for (const wrong of ['*', '*example.com', 'http://a', 'a/b', 'a:b', 'a b', '[::1', 'a:99999x']) {
    it(`does not take ${wrong} for a host`, () => {
      assert.throws(() => new HostPolicy(wrong), /featureHosts: expected names such as/);
    });
  }
});
