/**
 * The order of everything in a file, kept through edits: what was not touched stays where it stood, what is new comes after
 * its older neighbour. Called by graph-document.ts when a model is written. Pure.
 */

/**
 * `layout` as it was read, with the lists that now hold its items: new items come right before the old one that follows them
 * in their list, or after the last old one; removed ones drop out. For untouched lists the result is `layout` itself.
 * @param isListed whether an item belongs to a list, or did before it was removed
 */
export function weave<T extends object>(
  layout: readonly T[],
  lists: readonly (readonly T[])[],
  isListed: (item: T) => boolean,
): T[] {
  const places = new Map<T, { readonly list: readonly T[]; readonly index: number }>();
  for (const list of lists) for (const [index, item] of list.entries()) places.set(item, { list, index });
  const lastOld = new Map<readonly T[], T>();
  for (const item of layout) if (places.has(item)) lastOld.set(places.get(item)!.list, item);
  const done = new Map<readonly T[], number>(lists.map((list) => [list, 0]));
  const woven: T[] = [];
  const emitUpTo = (list: readonly T[], end: number): void => {
    const start = done.get(list)!;
    for (let index = start; index < end; index++) woven.push(list[index]!);
    if (end > start) done.set(list, end);
  };
  for (const item of layout) {
    const place = places.get(item);
    if (place === undefined) {
      if (!isListed(item)) woven.push(item);
    } else emitUpTo(place.list, lastOld.get(place.list) === item ? place.list.length : place.index + 1);
  }
  for (const list of lists) emitUpTo(list, list.length);
  return woven;
}
