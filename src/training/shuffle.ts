/** Puts rows in random order, in place. Used by dataset.ts to split data; never touches what the numbers mean. */
import type { Random } from '../ports/clock.ts';

/** Shuffles `items` in place (Fisher-Yates). */
export function shuffle(items: Int32Array, random: Random): void {
  for (let i = items.length - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1));
    const held = items[i]!;
    items[i] = items[other]!;
    items[other] = held;
  }
}
