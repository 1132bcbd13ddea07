/**
 * "Did you mean ...": the nearest of some known names. Called for unknown settings, flags, variables and commands.
 * Start-up only; must never be used on names that come in with requests.
 */

/** Number of single-character edits between two words; a swap of neighbours counts as one. */
export function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const substitution = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      let best = Math.min(previous[column]! + 1, current[column - 1]! + 1, substitution);
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        best = Math.min(best, beforePrevious[column - 2]! + 1);
      }
      current.push(best);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length]!;
}

/** The known name nearest to `name`, or undefined when none is near: more than more than 40 % of it (at least 2 edits) differs. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(name.length * 0.4)) + 1;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** ` Did you mean X?`, or nothing when no known name is near. */
export function didYouMean(name: string, known: Iterable<string>, format: (name: string) => string = (n) => n): string {
  const nearest = nearestName(name, known);
  return nearest === undefined ? '' : ` Did you mean ${format(nearest)}?`;
}
