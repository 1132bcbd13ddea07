/**
 * The whole of `hotpath tune`: measure what a load would choose by itself, climb from there to better settings judged by simulation, look
 * at the best ones once more, and prove the winner against the default under real load. Called by server-tune.ts with everything that
 * runs models. It writes nothing.
 */
import { HotpathError } from '../../core/errors.ts';
import type { TunedSettings } from '../../ports/tuning.ts';
import { climb } from './climb.ts';
import { type CheckOutcome, type Contestant, checkInTurns } from './final-check.ts';
import { type BatchRange, PointMeter } from './measure-points.ts';
import type { MeasuredPoint, TuneResult } from './result.ts';
import { type Goal, isBetter } from './score.ts';
import { allPoints, neighbours, type Point, pointKey, type TuneSpace } from './space.ts';
import type { OpenSetting, TuneTools } from './tools.ts';
import type { Traffic } from './traffic.ts';

export interface TuneOptions {
  readonly space: TuneSpace;
  /** What a load would choose by itself. */
  readonly start: Point;
  readonly batches: BatchRange;
  readonly traffic: Traffic;
  readonly ratePerSecond: number | undefined;
  /** @default what a load would derive */
  readonly sloMs: number | undefined;
  /** For measuring, all together; a guide, no limit. */
  readonly budgetMs: number;
}

/** What of the time is for the search, and what of that for the climb; the rest looks at the best ones again. */
const searchShare = 0.6;
const climbShare = 0.75;
/** Points that the budget is divided by: starting their processes takes time too. */
const plannedPoints = 12;
const finalists = 3;
const mostLaps = 4;
const [leastPointMs, mostPointMs] = [250, 10_000];

/** @throws MODEL_FAILED: the model does not run, or no setting is fast enough; the reason of the signal */
export async function tune(options: TuneOptions, tools: TuneTools): Promise<TuneResult> {
  const startedMs = tools.nowMs();
  const { space, start, traffic, ratePerSecond } = options;
  const elapsed = () => (tools.nowMs() - startedMs) / options.budgetMs;
  tools.onProgress(0, describePoint(start));
  const first = await tools.open(start);
  const derived = tools.derive(first.warm);
  const goal: Goal = { sloMs: options.sloMs ?? derived.sloMs, traffic, ratePerSecond };
  const possible = allPoints(space).length;
  const planned = Math.min(possible, plannedPoints) + finalists;
  const pointMs = Math.min(mostPointMs, Math.max(leastPointMs, (searchShare * options.budgetMs) / planned / 2));
  const meter = new PointMeter(tools, goal, options.batches, pointMs);
  const visit = (point: Point, open?: OpenSetting) => {
    tools.onProgress(Math.min(searchShare, elapsed()), describePoint(point));
    return meter.visit(point, open);
  };
  const { finished } = await climb({
    start,
    keyOf: pointKey,
    neighbours: (point) => neighbours(space, point),
    measure: (point) => visit(point, point === start ? first : undefined),
    better: isBetter,
    goOn: () => elapsed() < searchShare * climbShare,
  });
  await lookAgain(meter, start, visit, () => elapsed() < searchShare);
  const defaultPoint = meter.withBatch(start, options.batches.fixed ?? derived.maxBatchSize);
  const best = bestOf(meter.measured, defaultPoint);
  refuseHopeless(best, goal);
  const outcome = await check({ meter, defaultPoint, best, goal, options, tools, elapsed });
  return {
    points: [defaultPoint, ...meter.measured.filter((one) => !sameSetting(one, defaultPoint))],
    possible,
    finished,
    failures: meter.failures,
    sloMs: goal.sloMs,
    ratePerSecond,
    defaults: outcome.checked[0]!,
    challenger: outcome.checked[1],
    gain: outcome.gain,
    improved: outcome.improved,
    choice: choose(outcome),
    notes: options.traffic.recordedRate === undefined ? [] : [recordedNote(traffic, best)],
  };
}

/** In turns, as long as there is time: whatever else the machine does should meet all alike. */
async function lookAgain(
  meter: PointMeter,
  start: Point,
  visit: (point: Point) => Promise<unknown>,
  goOn: () => boolean,
): Promise<void> {
  for (let lap = 0; lap < mostLaps; lap++) {
    for (const point of bestOnes(meter, start)) {
      if (!goOn()) return;
      await visit(point);
    }
  }
}

/** Those that are worth another look, and the default, which all are compared with. */
function bestOnes(meter: PointMeter, start: Point): Point[] {
  const sorted = meter.measured.sort((a, b) => (isBetter(a, b) ? -1 : isBetter(b, a) ? 1 : 0));
  const others = sorted.map(({ point }) => point).filter((point) => pointKey(point) !== pointKey(start));
  return meter.measured.length === 1 ? [] : [start, ...others.slice(0, finalists)];
}

function bestOf(points: readonly MeasuredPoint[], first: MeasuredPoint): MeasuredPoint {
  let best = first;
  for (const one of points) if (isBetter(one, best)) best = one;
  return best;
}

interface CheckParts {
  readonly meter: PointMeter;
  readonly defaultPoint: MeasuredPoint;
  readonly best: MeasuredPoint;
  readonly goal: Goal;
  readonly options: TuneOptions;
  readonly tools: TuneTools;
  readonly elapsed: () => number;
}

async function check({ meter, defaultPoint, best, goal, options, tools, elapsed }: CheckParts): Promise<CheckOutcome> {
  const rivals = sameSetting(best, defaultPoint) ? [defaultPoint] : [defaultPoint, best];
  const contestants: Contestant[] = [];
  const from = elapsed();
  try {
    for (const rival of rivals) {
      const { point, maxBatchSize } = rival;
      const setting = { times: meter.times(point), instances: point.instances, maxBatchSize };
      contestants.push({ settings: settingsOf(rival), model: await tools.open(point), setting });
    }
    return await checkInTurns(contestants, {
      goal,
      promisedRate: best.requestsPerSecond,
      budgetMs: (1 - searchShare) * options.budgetMs,
      onRound: (share) => tools.onProgress(Math.min(0.99, from + (1 - from) * share), 'final check'),
    });
  } finally {
    await Promise.all(contestants.map(({ model }) => model.close()));
  }
}

function refuseHopeless({ requestsPerSecond, fixedMs, perRowMs }: MeasuredPoint, { sloMs }: Goal): void {
  if (requestsPerSecond > 0) return;
  const oneRowMs = round(fixedMs + perRowMs);
  const reason = `No setting answers requests within ${round(sloMs)} ms: one row takes ${oneRowMs} ms. Give a longer time with --slo-ms.`;
  throw new HotpathError('MODEL_FAILED', reason);
}

function settingsOf({ point, maxBatchSize }: MeasuredPoint): TunedSettings {
  return { ...point, maxBatchSize };
}

export function sameSetting(a: MeasuredPoint, b: MeasuredPoint): boolean {
  return pointKey(a.point) === pointKey(b.point) && a.maxBatchSize === b.maxBatchSize;
}

function choose({ checked, gain, improved, gainOf }: CheckOutcome): string {
  if (checked.length < 2 || gain === undefined)
    return 'No other setting promised more than what the model gets by itself.';
  const title = describeSettings(checked[1]!.settings);
  const figure = gain.toFixed(2);
  if (!improved) {
    return `${title} promised more, but measured it is ${figure} times the default, which is within noise. The default stays.`;
  }
  if (gainOf === 'p99') return `${title}: the p99 of the default is ${figure} times as long.`;
  return `${title}: ${figure} times the requests that the default answers in time.`;
}

export function describeSettings(settings: TunedSettings): string {
  const { maxBatchSize } = settings;
  return `${describePoint(settings)}, ${maxBatchSize === 1 ? 'unbatched' : `batches up to ${maxBatchSize}`}`;
}

export function describePoint({
  instances,
  intraOpThreads,
  graphOptimizationLevel: level,
  executionProvider,
}: Point): string {
  const some = `${instances} ${instances === 1 ? 'instance' : 'instances'} x ${intraOpThreads} ${intraOpThreads === 1 ? 'thread' : 'threads'}`;
  const where = executionProvider === 'cpu' ? '' : ` on ${executionProvider}`;
  return `${some}${where}${level === 'all' ? '' : `, graph ${level}`}`;
}

function recordedNote({ recordedRate = 0 }: Traffic, { atRate, requestsPerSecond }: MeasuredPoint): string {
  const rate = Math.max(atRate, requestsPerSecond);
  return `The recording has ${round(recordedRate)} requests/s; here it is played up to ${round(rate / recordedRate)} times as fast.`;
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}
