/**
 * Names with `*` for any characters, as in model scopes and invalidation. Pure. Never builds a regular expression from input and never
 * goes back: each piece between stars is searched once from where the one before ended, so that no pattern costs more than its length
 * times the name's.
 */

/** Whether all of `name` fits `pattern`. */
export function matchesPattern(pattern: string, name: string): boolean {
  const first = pattern.indexOf('*');
  if (first === -1) return pattern === name;
  const last = pattern.lastIndexOf('*');
  const tailLength = pattern.length - last - 1;
  if (name.length < first + tailLength) return false;
  if (!name.startsWith(pattern.slice(0, first)) || !name.endsWith(pattern.slice(last + 1))) return false;
  const end = name.length - tailLength;
  let from = first;
  for (const piece of pattern.slice(first, last).split('*')) {
    const found = piece === '' ? from : name.indexOf(piece, from);
    if (found === -1 || found + piece.length > end) return false;
    from = found + piece.length;
  }
  return true;
}

/** What stands before the first `*`; undefined when there is none. */
export function literalStart(pattern: string): string | undefined {
  const star = pattern.indexOf('*');
  return star < 0 ? undefined : pattern.slice(0, star);
}
