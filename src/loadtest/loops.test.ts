import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import * as net from 'node:net';
import { test } from 'node:test';
import { runClosedLoop } from './closed-loop.ts';
import { LoadGenerator } from './generator.ts';
import type { Target } from './http-connection.ts';
import type { LoadRequest } from './load-job.ts';
import { runOpenLoop } from './open-loop.ts';
import { buildRequest } from './requests.ts';

interface TestServer extends AsyncDisposable {
  readonly target: Target;
}

async function serve(listener: http.RequestListener): Promise<TestServer> {
  const server = http.createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    target: { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Answers {"row": n} to a request for /n, optionally not at once. */
function echoRow(request: http.IncomingMessage, response: http.ServerResponse): void {
  request.resume();
  const body = JSON.stringify({ row: Number(request.url?.slice(1)) });
  response.writeHead(200, { 'content-length': body.length }).end(body);
}

function rowRequests(target: Target, count: number): LoadRequest[] {
  return Array.from({ length: count }, (_, row) => ({
    bytes: buildRequest(target, { method: 'POST', path: `/${row}`, body: 'x' }),
    expect: [{ kind: 'json', path: ['row'], value: row, tolerance: 0 }],
  }));
}

test('a closed loop sends the wanted number of requests and checks each answer against its own row', async () => {
  await using server = await serve(echoRow);
  const { target } = server;
  const report = await runClosedLoop({
    kind: 'closed',
    target,
    requests: rowRequests(target, 7),
    connections: 5,
    count: 200,
  });
  assert.equal(report.inTime, 200);
  assert.equal(report.offered, 200);
  assert.equal(report.checked, 200);
  assert.equal(report.wrong, 0);
  assert.deepEqual(report.statuses, { 200: 200 });
  assert.equal(report.latency.count, 200);
});

test('answers swapped between two requests in flight are found', async () => {
  let waiting: { row: number; response: http.ServerResponse } | undefined;
  await using server = await serve((request, response) => {
    request.resume();
    const row = Number(request.url?.slice(1));
    if (waiting === undefined) {
      waiting = { row, response };
      return;
    }
    const other = waiting;
    waiting = undefined;
    for (const [to, value] of [
      [response, other.row],
      [other.response, row],
    ] as const) {
      const body = JSON.stringify({ row: value });
      to.writeHead(200, { 'content-length': body.length }).end(body);
    }
  });
  const { target } = server;
  const report = await runClosedLoop({
    kind: 'closed',
    target,
    requests: rowRequests(target, 3),
    connections: 2,
    count: 30,
  });
  assert.equal(report.checked, 30);
  assert.ok(report.wrong > 0, 'no swap was found');
  assert.match(report.firstWrong ?? '', /^request \d: row is \d instead of \d$/);
});

test('a closed loop survives connections that the server closes after each answer', async () => {
  await using server = await serve((request, response) => {
    response.setHeader('connection', 'close');
    echoRow(request, response);
  });
  const { target } = server;
  const report = await runClosedLoop({
    kind: 'closed',
    target,
    requests: rowRequests(target, 3),
    connections: 2,
    count: 40,
  });
  assert.equal(report.inTime, 40);
  assert.deepEqual(report.broken, {});
});

test('connections cut before the answer are counted as broken, each once', async () => {
  let calls = 0;
  await using server = await serve((request, response) => {
    calls += 1;
    if (calls % 4 === 0) request.socket.destroy();
    else echoRow(request, response);
  });
  const { target } = server;
  const report = await runClosedLoop({
    kind: 'closed',
    target,
    requests: rowRequests(target, 3),
    connections: 1,
    count: 40,
  });
  assert.equal(report.inTime, 30);
  assert.equal(
    Object.values(report.broken).reduce((sum, count) => sum + count, 0),
    10,
  );
  assert.equal(report.offered, 40);
});

test('an address where nobody listens is reported and does not hang', async () => {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const target = { host: '127.0.0.1', port: (probe.address() as AddressInfo).port };
  probe.close();
  await once(probe, 'close');
  const report = await runClosedLoop({
    kind: 'closed',
    target,
    requests: rowRequests(target, 1),
    connections: 2,
    count: 4,
  });
  assert.deepEqual(report.broken, { ECONNREFUSED: 4 });
});

test('a request that gets no answer is counted as timed out at its age or later', async () => {
  await using server = await serve((request) => request.resume());
  const { target } = server;
  const job = { target, requests: rowRequests(target, 1), timeoutMs: 40 } as const;
  const closed = await runClosedLoop({ ...job, kind: 'closed', connections: 3, count: 3 });
  assert.equal(closed.timedOut, 3);
  assert.ok(closed.latency.p50Ms >= 40);
  const arrivals = { kind: 'constant', ratePerSecond: 200, durationMs: 50, seed: 1 } as const;
  const open = await runOpenLoop({ ...job, kind: 'open', arrivals });
  assert.equal(open.timedOut, 10);
  assert.equal(open.offered, 10);
  assert.ok(open.latency.p50Ms >= 40);
});

test('an open loop drops and counts what exceeds its cap, and the server never sees more at once', async () => {
  let inFlight = 0;
  let most = 0;
  await using server = await serve((request, response) => {
    request.resume();
    inFlight += 1;
    most = Math.max(most, inFlight);
    response.on('close', () => {
      inFlight -= 1;
    });
  });
  const { target } = server;
  const report = await runOpenLoop({
    kind: 'open',
    target,
    requests: rowRequests(target, 1),
    arrivals: { kind: 'constant', ratePerSecond: 500, durationMs: 100, seed: 1 },
    maxInFlight: 4,
    timeoutMs: 300,
  });
  assert.equal(report.offered, 50);
  assert.equal(report.timedOut, 4);
  assert.equal(report.dropped, 46);
  assert.equal(most, 4);
});

test('an open loop charges a stall to the requests that were due in it', async () => {
  const pauseMs = 120;
  let calls = 0;
  await using server = await serve((request, response) => {
    calls += 1;
    if (calls === 10) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs);
    echoRow(request, response);
  });
  const { target } = server;
  const report = await runOpenLoop({
    kind: 'open',
    target,
    requests: rowRequests(target, 4),
    arrivals: { kind: 'constant', ratePerSecond: 200, durationMs: 300, seed: 1 },
    sloMs: pauseMs / 2,
  });
  assert.equal(report.offered, 60);
  assert.equal(report.wrong, 0);
  // 24 requests were due in the pause; those of its first half waited for more than half of it.
  assert.ok(report.late >= 8, `${report.late} late`);
  assert.equal(report.inTime + report.late, 60);
  assert.ok(report.latency.maxMs >= pauseMs - 10);
});

test('refusals are counted apart, with their own latency', async () => {
  let calls = 0;
  await using server = await serve((request, response) => {
    calls += 1;
    if (calls % 2 === 0) response.writeHead(calls % 4 === 0 ? 503 : 429, { 'content-length': 0 }).end();
    else echoRow(request, response);
  });
  const { target } = server;
  const arrivals = { kind: 'poisson', ratePerSecond: 500, durationMs: 100, seed: 3 } as const;
  const report = await runOpenLoop({ kind: 'open', target, requests: rowRequests(target, 1), arrivals, checkEvery: 0 });
  assert.equal(report.refused, Math.floor(report.offered / 2));
  assert.equal(report.refusalLatency.count, report.refused);
  assert.equal(report.latency.count, report.inTime);
  assert.equal(report.checked, 0);
});

test('the generator process runs job after job and reports wrong jobs', async () => {
  await using server = await serve(echoRow);
  const { target } = server;
  const generator = new LoadGenerator();
  try {
    for (const count of [10, 20]) {
      const report = await generator.run({
        kind: 'closed',
        target,
        requests: rowRequests(target, 3),
        connections: 2,
        count,
      });
      assert.equal(report.inTime, count);
    }
    await assert.rejects(
      generator.run({ kind: 'closed', target, requests: [], connections: 1, count: 1 }),
      /at least one/,
    );
  } finally {
    await generator.close();
  }
  await assert.rejects(generator.run({ kind: 'closed', target, requests: [], connections: 1, count: 1 }), /ended/);
});
