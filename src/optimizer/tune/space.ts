/**
 * Which settings `tune` may try, and which lie next to which. Pure; made by tune.ts's caller from what model.json leaves open and what the
 * machine has. The largest batch is no axis: one measured point can be judged with every batch.
 */
import type { ExecutionProvider } from '../../ports/engine.ts';
import type { GraphOptimizationLevel } from '../../ports/tuning.ts';

export interface Point {
  readonly instances: number;
  readonly intraOpThreads: number;
  readonly graphOptimizationLevel: GraphOptimizationLevel;
  readonly executionProvider: ExecutionProvider;
}

/** Values of each axis, ascending where they have an order. */
export interface TuneSpace {
  readonly cores: number;
  readonly instances: readonly number[];
  readonly intraOpThreads: readonly number[];
  readonly levels: readonly GraphOptimizationLevel[];
  readonly providers: readonly ExecutionProvider[];
}

/** What model.json says, which stays as it is. */
export interface FixedSettings {
  readonly instances?: number | undefined;
  readonly intraOpThreads?: number | undefined;
  readonly level?: GraphOptimizationLevel | undefined;
}

const allLevels: readonly GraphOptimizationLevel[] = ['basic', 'extended', 'all'];

/** @param maxInstances what fits into the memory */
export function buildSpace(
  cores: number,
  start: Point,
  fixed: FixedSettings,
  providers: readonly ExecutionProvider[],
  maxInstances = Number.POSITIVE_INFINITY,
): TuneSpace {
  const counts = usefulCounts(cores);
  const fitting = counts.filter((count) => count <= maxInstances);
  return {
    cores,
    instances: fixed.instances === undefined ? withStart(fitting, start.instances) : [start.instances],
    intraOpThreads:
      fixed.intraOpThreads === undefined ? withStart(counts, start.intraOpThreads) : [start.intraOpThreads],
    levels: fixed.level === undefined ? allLevels : [fixed.level],
    providers,
  };
}

/** Powers of two and the whole shares of the cores: 12 cores give 1, 2, 3, 4, 6, 8, 12. */
function usefulCounts(cores: number): number[] {
  const counts = new Set<number>();
  for (let power = 1; power <= cores; power *= 2) counts.add(power).add(Math.floor(cores / power));
  return [...counts].sort((a, b) => a - b);
}

function withStart(counts: readonly number[], start: number): number[] {
  return [...new Set([...counts, start])].sort((a, b) => a - b);
}

export function allPoints({ cores, instances, intraOpThreads, levels, providers }: TuneSpace): Point[] {
  return providers.flatMap((executionProvider) =>
    levels.flatMap((graphOptimizationLevel) =>
      instances.flatMap((count) =>
        intraOpThreads
          .filter((threads) => count * threads <= cores)
          .map((threads) => ({ instances: count, intraOpThreads: threads, graphOptimizationLevel, executionProvider })),
      ),
    ),
  );
}

/**
 * One step along one axis, or one core's worth from instances to threads and back: where all cores are taken, neither can grow alone.
 * What is likeliest to help comes first.
 */
export function neighbours(space: TuneSpace, point: Point): Point[] {
  const { instances, intraOpThreads, graphOptimizationLevel: level, executionProvider: provider } = point;
  const [fewer, more] = steps(space.instances, instances);
  const [narrower, wider] = steps(space.intraOpThreads, intraOpThreads);
  const [lower, higher] = steps(space.levels, level);
  const changes: Changes[] = [
    { instances: more },
    { intraOpThreads: wider },
    { instances: more, intraOpThreads: more && largestWithin(space, more) },
    { intraOpThreads: wider, instances: wider && mostWithin(space, wider) },
    { instances: fewer },
    { intraOpThreads: narrower },
    ...space.providers.filter((other) => other !== provider).map((other) => ({ executionProvider: other })),
    { graphOptimizationLevel: higher },
    { graphOptimizationLevel: lower },
  ];
  const seen = new Set([pointKey(point)]);
  return changes.flatMap((change) => {
    // The end of an axis.
    if (Object.values(change).includes(undefined)) return [];
    const next = { ...point, ...change } as Point;
    const fits = next.instances * next.intraOpThreads <= space.cores;
    if (!fits || seen.has(pointKey(next))) return [];
    seen.add(pointKey(next));
    return [next];
  });
}

export function pointKey(point: Point): string {
  const { instances, intraOpThreads, graphOptimizationLevel, executionProvider } = point;
  return `${executionProvider} ${instances} x ${intraOpThreads} ${graphOptimizationLevel}`;
}

type Changes = { readonly [Name in keyof Point]?: Point[Name] | undefined };

/** The values before and after. */
function steps<T>(axis: readonly T[], value: T): [T | undefined, T | undefined] {
  const at = axis.indexOf(value);
  return [axis[at - 1], axis[at + 1]];
}

function largestWithin({ cores, intraOpThreads }: TuneSpace, instances: number): number {
  return intraOpThreads.findLast((threads) => threads * instances <= cores) ?? intraOpThreads[0]!;
}

function mostWithin({ cores, instances }: TuneSpace, threads: number): number {
  return instances.findLast((count) => count * threads <= cores) ?? instances[0]!;
}
