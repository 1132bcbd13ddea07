/** Which rows are learned from and which only judge. Called by the `train` command. Deterministic by seed; every row is in one part. */
import type { Random } from '../../ports/clock.ts';
import type { Target } from '../matrix.ts';
import { shuffle } from '../shuffle.ts';

export interface RowSplit {
  /** Ascending. */
  readonly train: Int32Array<ArrayBuffer>;
  readonly test: Int32Array<ArrayBuffer>;
}

/** Holds out `fraction` of `rows`, of each class where there are classes (rounded; a class of one row stays in training). */
export function splitRows(rows: Int32Array, target: Target | undefined, fraction: number, random: Random): RowSplit {
  const groups = new Map<number, number[]>();
  for (const row of rows) {
    const group = target?.task === 'classification' ? target.labels[row]! : 0;
    const members = groups.get(group);
    if (members === undefined) groups.set(group, [row]);
    else members.push(row);
  }
  const train: number[] = [];
  const test: number[] = [];
  for (const [, members] of [...groups].sort((a, b) => a[0] - b[0])) {
    const shuffled = Int32Array.from(members);
    shuffle(shuffled, random);
    const held = Math.min(shuffled.length - 1, Math.round(shuffled.length * fraction));
    for (const [index, row] of shuffled.entries()) (index < held ? test : train).push(row);
  }
  return { train: Int32Array.from(train).sort(), test: Int32Array.from(test).sort() };
}
