/**
 * The examination of one model, as it runs inside the probe child: open, try, measure, check batching.
 * Called by probe-child.ts only; whatever a hostile model does here, it does to a process nobody needs.
 */
import type { Tensor } from '../../core/tensor.ts';
import type { Random } from '../../ports/clock.ts';
import type { ProbeReport } from '../../ports/engine.ts';
import type { BatchCheck } from './batch-check.ts';
import { batchObstacle, checkBatching } from './batch-check.ts';
import type { Session, SessionSpec } from './session.ts';
import { openSession, warmUpRuntime } from './session.ts';
import type { Shapes } from './trial-shapes.ts';
import { guessShapes } from './trial-shapes.ts';
import { randomTensor } from './trial-values.ts';

export interface ProbeJob {
  readonly session: SessionSpec;
  /** The parent kills the child after this; the job gives up a little earlier to say what it knows. */
  readonly timeoutMs: number;
}

export type ProbeStage = 'loading' | 'running a trial input';

/** Time spent on guessing shapes that run, and on timing the one that does. */
const guessBudgetMs = 5000;
const timingBudgetMs = 200;
const mostTimedRuns = 5;
/** The child itself takes some of the parent's time to start and to report. */
const reserve = 0.15;

/** @throws MODEL_FAILED from opening; a model that refuses every trial input still gets a report. */
export async function examine(
  job: ProbeJob,
  random: Random,
  onStage: (stage: ProbeStage) => void,
): Promise<ProbeReport> {
  const endsAt = performance.now() + job.timeoutMs * (1 - reserve);
  const timeLeftMs = (): number => endsAt - performance.now();
  onStage('loading');
  await warmUpRuntime();
  const idleBytes = process.memoryUsage.rss();
  const session = await openSession({ ...job.session, intraOpThreads: 1 });
  onStage('running a trial input');
  const trial = await findTrial(session, random, Math.min(guessBudgetMs, timeLeftMs()));
  const singleRunMs = trial.shapes && (await timeRuns(session, trial.inputs, timeLeftMs));
  const memoryBytes = Math.max(0, process.memoryUsage.rss() - idleBytes);
  const check = await checkRows(session, trial, random, timeLeftMs);
  return {
    signature: session.signature,
    batch: check.batch,
    singleRunMs,
    trialShapes: trial.shapes,
    memoryBytes,
    notes: [...session.notes, ...trial.notes, ...check.notes],
    executionProvider: session.executionProvider,
  };
}

interface Trial {
  readonly shapes: Shapes | undefined;
  readonly inputs: readonly Tensor[];
  readonly notes: readonly string[];
  readonly refusal: string;
}

/** The first guess that runs. The note keeps the refusal of the first guess, which is the plainest. */
async function findTrial(session: Session, random: Random, budgetMs: number): Promise<Trial> {
  const endsAt = performance.now() + budgetMs;
  let refusal = '';
  for (const shapes of guessShapes(session.signature.inputs, session.symbols)) {
    const inputs = session.signature.inputs.map(({ datatype }, index) =>
      randomTensor(datatype, shapes[index]!, 1, random),
    );
    try {
      await session.run(inputs);
      return { shapes, inputs, notes: [], refusal };
    } catch (error) {
      refusal ||= (error as Error).message;
    }
    if (performance.now() > endsAt) break;
  }
  return { shapes: undefined, inputs: [], notes: [`No trial input ran. ${refusal}`], refusal };
}

/** Median of a few runs; the first run, which allocates, is already behind. */
async function timeRuns(session: Session, inputs: readonly Tensor[], timeLeftMs: () => number): Promise<number> {
  const durations: number[] = [];
  let spent = 0;
  do {
    const startedAt = performance.now();
    await session.run(inputs);
    const took = performance.now() - startedAt;
    durations.push(took);
    spent += took;
  } while (durations.length < mostTimedRuns && spent < timingBudgetMs && timeLeftMs() > 0);
  return durations.sort((a, b) => a - b)[durations.length >> 1]!;
}

async function checkRows(
  session: Session,
  trial: Trial,
  random: Random,
  timeLeftMs: () => number,
): Promise<BatchCheck> {
  const { signature } = session;
  const obstacle = batchObstacle(signature);
  if (obstacle !== undefined) return { batch: { safe: false, reason: obstacle }, notes: [] };
  if (trial.shapes === undefined) {
    return { batch: { safe: false, reason: 'Could not be proven: no trial input ran.' }, notes: [] };
  }
  return checkBatching({ signature, shapes: trial.shapes, run: (inputs) => session.run(inputs), random, timeLeftMs });
}
