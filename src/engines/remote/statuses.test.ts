import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { failureOfStatus } from './grpc-status.ts';
import { grpcTimeout } from './h2-channel.ts';
import { failureOfHttp } from './http-status.ts';

const ofGrpc = (status: number) => {
  const { kind, error } = failureOfStatus({ status, message: 'why' });
  return [kind, error.code];
};

const ofHttp = (status: number, retryAfter?: string) => {
  const { kind, error } = failureOfHttp(status, Buffer.from('{"error":"why"}'), retryAfter);
  return [kind, error.code];
};

describe('statuses of an upstream', () => {
  it('mean the same over both protocols', () => {
    const pairs: [number, unknown[], string, string][] = [
      [3, ofHttp(400), 'refused', 'INVALID_INPUT'],
      [5, ofHttp(404), 'unavailable', 'MODEL_NOT_READY'],
      [8, ofHttp(429), 'overloaded', 'OVERLOADED'],
      [8, ofHttp(503, '1'), 'overloaded', 'OVERLOADED'],
      [14, ofHttp(503), 'unavailable', 'MODEL_NOT_READY'],
      [4, ofHttp(504), 'timeout', 'DEADLINE_EXCEEDED'],
      [12, ofHttp(501), 'refused', 'UNSUPPORTED'],
      [13, ofHttp(500), 'broken', 'ENGINE_FAILED'],
      [99, ofHttp(599), 'broken', 'ENGINE_FAILED'],
    ];
    for (const [status, http, kind, code] of pairs) {
      assert.deepEqual(ofGrpc(status), [kind, code], `gRPC ${status}`);
      assert.deepEqual(http, [kind, code], `HTTP beside gRPC ${status}`);
    }
  });

  it('keep the sentence of the upstream, in whatever form it has one', () => {
    assert.equal(failureOfStatus({ status: 3, message: '%C3%BC %25' }).message, 'The upstream says: ü %');
    assert.equal(failureOfStatus({ status: 3, message: '100%' }).message, 'The upstream says: 100%');
    assert.equal(failureOfStatus({ status: 13, message: undefined }).message, 'The upstream says: status 13');
    const said = (body: string) => failureOfHttp(400, Buffer.from(body), undefined).message;
    assert.equal(said('{"error":"no"}'), 'The upstream says: no');
    assert.equal(said('{"error":{"message":"no"}}'), 'The upstream says: no');
    for (const body of ['<html>', '', 'null', '{"error":1}']) assert.equal(said(body), 'The upstream says: status 400');
  });

  it('say when to try again', () => {
    assert.equal(failureOfStatus({ status: 8, message: '', pushbackMs: 2500 }).error.details?.retryAfterSeconds, 2.5);
    assert.equal(failureOfHttp(503, Buffer.alloc(0), '7').error.details?.retryAfterSeconds, 7);
    assert.equal(failureOfHttp(429, Buffer.alloc(0), undefined).error.details?.retryAfterSeconds, 1);
  });
});

describe('grpc-timeout', () => {
  it('has at most eight digits, and is never zero', () => {
    assert.deepEqual([0.0001, 1.5, 99_999, 100_000, 1e12].map(grpcTimeout), [
      '1u',
      '1500u',
      '99999000u',
      '100000m',
      '99999999m',
    ]);
  });
});
