import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { openDoorWarning } from './open-door-warning.ts';

const { config } = loadConfig({ file: undefined, env: {}, flags: {} });
const warn = (more: Partial<Config>): string | undefined => openDoorWarning({ ...config, ...more });

test('nothing is said while only this machine can connect, or everybody must identify', () => {
  for (const host of ['127.0.0.1', '127.8.8.8', 'localhost', 'LOCALHOST', '::1', '[::1]', '::ffff:127.0.0.1']) {
    assert.equal(warn({ host, adminHost: host, auth: 'off' }), undefined, host);
  }
  assert.equal(warn({ host: '0.0.0.0', adminHost: '0.0.0.0', auth: 'on' }), undefined);
  assert.equal(warn({ host: '127.0.0.1', adminHost: '0.0.0.0', adminEnabled: false }), undefined);
});

test('every address that others may reach is one, and the warning says which and how to close it', () => {
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'example.com', '127.0.0.1.example.com', '::ffff:10.0.0.1', '']) {
    assert.match(warn({ host, auth: 'off' }) ?? '', /WARNING/, host);
  }
  const both = warn({
    host: '0.0.0.0',
    adminHost: '10.0.0.1',
    auth: 'off',
    port: 8000,
    grpcPort: 8001,
    adminPort: 8002,
  });
  assert.match(both!, /0\.0\.0\.0, ports 8000 and 8001/);
  assert.match(both!, /10\.0\.0\.1, port 8002/);
  assert.match(both!, /--auth on/);
  assert.doesNotMatch(warn({ host: '0.0.0.0', auth: 'off', modelControl: 'none' })!, /load/);
});

test('it is a frame: all lines are of one width', () => {
  const lines = warn({ host: '0.0.0.0', auth: 'off' })!.split('\n');
  assert.ok(lines.length > 5);
  assert.equal(new Set(lines.map((line) => line.length)).size, 1);
});
