/**
 * Turns for long work on the event loop: one slice per turn for the whole process, first come first served, so that many
 * large bodies at once still leave the loop free between slices.
 */

const waiting: (() => void)[] = [];

/** Resolves in a later turn of the event loop, alone among all who wait. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (waiting.length === 1) setImmediate(run);
  });
}

function run(): void {
  const resolve = waiting.shift();
  if (waiting.length > 0) setImmediate(run);
  resolve?.();
}
