import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { createLogger, type LeveledLogger, type LogLevel } from './logging.ts';

function capture(level: LogLevel): { log: LeveledLogger; lines: () => Record<string, unknown>[] } {
  const written: string[] = [];
  const log = createLogger({ level, destination: { write: (line) => written.push(line) } });
  return { log, lines: () => written.map((line) => JSON.parse(line)) };
}

test('a line is JSON with the level by name, the time, the fields and the message', () => {
  const { log, lines } = capture('info');
  log.warn({ model: 'iris', durationMs: 12 }, 'Slow request.');
  const [line] = lines();
  assert.equal(line?.level, 'warn');
  assert.equal(line?.model, 'iris');
  assert.equal(line?.durationMs, 12);
  assert.equal(line?.msg, 'Slow request.');
  assert.equal(line?.pid, process.pid);
  assert.ok(Math.abs(Date.parse(String(line?.time)) - Date.now()) < 60_000);
});

test('the level can be changed while running', () => {
  const { log, lines } = capture('warn');
  log.info({}, 'one');
  log.setLevel('debug');
  assert.equal(log.level, 'debug');
  log.debug({}, 'two');
  log.setLevel('silent');
  log.error({}, 'three');
  assert.deepEqual(
    lines().map((line) => line.msg),
    ['two'],
  );
});

test('credentials are never written, wherever headers usually stand', () => {
  const { log, lines } = capture('debug');
  const headers = { authorization: 'Bearer SECRET', cookie: 'SECRET', 'x-api-key': 'SECRET', accept: 'text/html' };
  log.info(headers, 'top');
  log.info({ headers }, 'one level');
  log.info({ request: { headers } }, 'two levels');
  assert.doesNotMatch(JSON.stringify(lines()), /SECRET/);
  assert.deepEqual(
    lines().map((line) => line.accept ?? (line.headers as typeof headers | undefined)?.accept ?? 'deep'),
    ['text/html', 'text/html', 'deep'],
  );
  assert.equal(headers.authorization, 'Bearer SECRET');
});

test('an error is written with its stack and its cause', () => {
  const { log, lines } = capture('info');
  log.error({ error: new Error('outer', { cause: new Error('inner') }) }, 'Failed.');
  const error = lines()[0]?.error as { message: string; stack: string };
  assert.match(error.message, /outer/);
  assert.match(error.stack, /inner/);
});

test('lines written just before the process ends are not lost, by exit or by an uncaught error', () => {
  const module = JSON.stringify(new URL('./logging.ts', import.meta.url).href);
  for (const ending of ['process.exit(3)', "throw new Error('boom')"]) {
    const script = `import { createLogger } from ${module};
      const log = createLogger({ level: 'info' });
      for (let i = 0; i < 500; i++) log.info({ i }, 'line');
      log.error({}, 'last');
      ${ending};`;
    const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    const lines = stdout.trim().split('\n');
    assert.notEqual(status, 0);
    assert.equal(lines.length, 501, ending);
    assert.equal(JSON.parse(lines.at(-1) as string).msg, 'last');
  }
});
