/**
 * Hill climbing: from a first point to its best neighbour, again and again, until none is better. Every point is measured once. Pure but
 * for `measure`; called by tune.ts. It may end on a hill that is not the highest, and says how many points it looked at.
 */

export interface ClimbOptions<P, M> {
  readonly start: P;
  readonly keyOf: (point: P) => string;
  readonly neighbours: (point: P) => readonly P[];
  /** Undefined: the point cannot be used. */
  readonly measure: (point: P) => Promise<M | undefined>;
  /** Whether `a` is truly better than `b`; noise is no reason to move. */
  readonly better: (a: M, b: M) => boolean;
  /** False ends the climb where it stands. */
  readonly goOn: () => boolean;
}

export interface Climbed<P, M> {
  /** In the order they were measured, without those that could not be used. */
  readonly measured: readonly { readonly point: P; readonly measure: M }[];
  readonly best: { readonly point: P; readonly measure: M } | undefined;
  /** False: stopped by `goOn`. */
  readonly finished: boolean;
}

export async function climb<P, M>(options: ClimbOptions<P, M>): Promise<Climbed<P, M>> {
  const { start, keyOf, neighbours, better, goOn } = options;
  const known = new Set<string>();
  const measured: { point: P; measure: M }[] = [];
  const visit = async (point: P) => {
    known.add(keyOf(point));
    const measure = await options.measure(point);
    if (measure === undefined) return undefined;
    const found = { point, measure };
    measured.push(found);
    return found;
  };
  let best = await visit(start);
  let finished = true;
  for (let here: P | undefined = start; here !== undefined; ) {
    const from: P = here;
    here = undefined;
    for (const point of neighbours(from)) {
      if (known.has(keyOf(point))) continue;
      if (!goOn()) {
        finished = false;
        break;
      }
      const found = await visit(point);
      if (found === undefined || (best !== undefined && !better(found.measure, best.measure))) continue;
      best = found;
      here = point;
    }
    if (!finished) break;
  }
  return { measured, best, finished };
}
