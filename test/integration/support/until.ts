/** Waiting in tests for what other threads, processes and sockets bring about: a number of turns of the loop says nothing about those. */
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';

/** Goes on as soon as the condition holds, looked at in every turn of the loop; fails when it does not within these milliseconds. */
export async function until(condition: () => boolean | Promise<boolean>, withinMs = 15_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await condition())) {
    assert.ok(performance.now() < deadline, `not within ${withinMs} ms`);
    await turn();
  }
}
