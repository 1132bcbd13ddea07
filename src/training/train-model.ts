/**
 * Trains a model of a kind on a matrix. Called by the `train` command, once per trial. Deterministic by the seed behind `random`. Networks
 * learn in a runtime, which this room must not import: whoever has one brings their trainer along.
 */
import { HotpathError, invalidInput } from '../core/errors.ts';
import type { Random } from '../ports/clock.ts';
import type { LogisticOptions } from './linear/logistic.ts';
import { trainLogistic } from './linear/logistic.ts';
import type { RidgeOptions } from './linear/ridge.ts';
import { trainRidge } from './linear/ridge.ts';
import type { Matrix, OnProgress, Target } from './matrix.ts';
import type { KMeansOptions } from './near/k-means.ts';
import { trainKMeans } from './near/k-means.ts';
import type { NeighbourOptions } from './near/neighbours.ts';
import { trainNeighbours } from './near/neighbours.ts';
import type { NetworkOptions } from './network/network.ts';
import { kMeansModel, neighbourModel } from './pipeline/distance-models.ts';
import { linearModel } from './pipeline/linear-model-nodes.ts';
import type { ModelKind, Task, TrainedModel } from './pipeline/trained-model.ts';
import { treeModel } from './pipeline/tree-model.ts';
import type { BaggingOptions } from './trees/bagging.ts';
import { trainBagging } from './trees/bagging.ts';
import type { BoostingOptions } from './trees/boosting.ts';
import { trainBoosting } from './trees/boosting.ts';

/** Options of any of the trainers; each reads its own. */
export type ModelOptions = Omit<BoostingOptions & BaggingOptions, 'randomCuts'> &
  LogisticOptions &
  RidgeOptions &
  NeighbourOptions &
  KMeansOptions &
  NetworkOptions;

/** Kinds that are trained by a trainer from outside. */
export type GuestKind = 'mlp';
export type OwnKind = Exclude<ModelKind, GuestKind>;

/** What is to be learned, how, and from which rows. */
export interface TrainingJob {
  readonly matrix: Matrix;
  readonly target: Target;
  readonly options: ModelOptions;
  readonly random: Random;
  readonly onProgress?: OnProgress | undefined;
}

/** Deterministic by the seed behind `random`, as all trainers are. @throws INVALID_INPUT as trainModel does */
export type Trainer = (job: TrainingJob) => Promise<TrainedModel>;
export type Trainers = { readonly [Kind in GuestKind]?: Trainer | undefined };

const tasksOf = {
  boost: ['classification', 'regression'],
  forest: ['classification', 'regression'],
  'extra-trees': ['classification', 'regression'],
  logistic: ['classification'],
  linear: ['regression'],
  ridge: ['regression'],
  knn: ['classification', 'regression'],
  mlp: ['classification', 'regression'],
  kmeans: ['clustering'],
} as const satisfies Record<ModelKind, readonly Task[]>;

export function kindsFor(task: Task): readonly ModelKind[] {
  return (Object.keys(tasksOf) as ModelKind[]).filter((kind) => (tasksOf[kind] as readonly Task[]).includes(task));
}

/** Models that compare or weigh columns need them on one scale; trees do not care. */
export function wantsScaling(kind: ModelKind): boolean {
  return !['boost', 'forest', 'extra-trees'].includes(kind);
}

/** trainModel, and the trainers from outside besides. @throws UNSUPPORTED without the trainer of this kind */
export async function trainAny(
  kind: ModelKind,
  job: Omit<TrainingJob, 'target'> & { readonly target: Target | undefined },
  trainers: Trainers,
): Promise<TrainedModel> {
  const { matrix, target, options, random, onProgress } = job;
  if (kind !== 'mlp') return trainModel(kind, matrix, target, options, random, onProgress);
  const trainer = trainers[kind];
  if (trainer === undefined || target === undefined) {
    throw new HotpathError('UNSUPPORTED', `Model ${kind} is not trained here: there is no trainer for it.`);
  }
  return await trainer({ ...job, target });
}

/**
 * @param target undefined for clustering
 * @throws INVALID_INPUT for options out of range, and for data or targets that this kind cannot learn from.
 */
export function trainModel(
  kind: OwnKind,
  matrix: Matrix,
  target: Target | undefined,
  options: ModelOptions,
  random: Random,
  onProgress?: OnProgress,
): TrainedModel {
  const task = target?.task ?? 'clustering';
  if (!(tasksOf[kind] as readonly Task[]).includes(task)) {
    throw invalidInput('model', `Model ${kind} is for ${tasksOf[kind].join(' and ')}, not for ${task}.`);
  }
  if (target === undefined) return kMeansModel(trainKMeans(matrix, options, random, onProgress));
  if (kind === 'boost') return boost(matrix, target, options, random, onProgress);
  if (kind === 'forest' || kind === 'extra-trees') return bag(kind, matrix, target, options, random, onProgress);
  if (kind === 'knn') return neighbourModel(trainNeighbours(matrix, target, options, random));
  if (target.task === 'classification') {
    const { weights, notes } = trainLogistic(matrix, target, options, onProgress);
    return linearModel('logistic', weights, notes);
  }
  const ridge = kind === 'ridge';
  const { weights, notes } = trainRidge(matrix, target, { l2: ridge ? (options.l2 ?? 1) : 0 });
  return linearModel(ridge ? 'ridge' : 'linear', weights, notes);
}

function boost(matrix: Matrix, target: Target, options: ModelOptions, random: Random, onProgress?: OnProgress) {
  const { ensemble, gains, rounds, stoppedEarly } = trainBoosting(matrix, target, options, random, onProgress);
  const why = stoppedEarly ? ', where the loss on the rows held back was lowest' : '';
  const note = `${rounds} ${rounds === 1 ? 'round' : 'rounds'} of trees${why}.`;
  return treeModel('boost', ensemble, target.task === 'regression' ? 'value' : 'log-odds', gains, [note]);
}

function bag(
  kind: 'forest' | 'extra-trees',
  matrix: Matrix,
  target: Target,
  options: ModelOptions,
  random: Random,
  onProgress?: OnProgress,
) {
  const settings = { ...options, randomCuts: kind === 'extra-trees' };
  const { ensemble, gains } = trainBagging(matrix, target, settings, random, onProgress);
  return treeModel(kind, ensemble, target.task === 'regression' ? 'value' : 'probabilities', gains);
}
