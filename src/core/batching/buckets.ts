/** Finds the shape bucket of a request. Fixed-shape models have one; others one per inner shape, the oldest forgotten first. */
import { elementCount, type Signature, type Tensor } from '../tensor.ts';
import type { Bucket } from './bucket.ts';
import type { CostModel } from './cost-model.ts';
import type { GuardedPull } from './guarded-pull.ts';
import type { WorkItem } from './ticket.ts';

const maxBuckets = 64;

export class Buckets {
  readonly #scheduler: GuardedPull<WorkItem>;
  readonly #cost: CostModel;
  readonly #batchable: boolean;
  readonly #only: Bucket<WorkItem> | undefined;
  readonly #byShape = new Map<string, Bucket<WorkItem>>();
  #firstElements = 0;

  constructor(scheduler: GuardedPull<WorkItem>, signature: Signature, batchable: boolean, cost: CostModel) {
    this.#scheduler = scheduler;
    this.#cost = cost;
    this.#batchable = batchable;
    const fixed = signature.inputs.every(({ shape }) => (batchable ? shape.slice(1) : shape).every((dim) => dim >= 0));
    if (fixed) this.#only = scheduler.addBucket(cost);
  }

  of(inputs: readonly Tensor[]): Bucket<WorkItem> {
    if (this.#only !== undefined) return this.#only;
    const key = inputs.map(({ shape }) => (this.#batchable ? shape.slice(1) : shape).join('x')).join(',');
    const known = this.#byShape.get(key);
    if (known !== undefined) return known;
    return this.#add(key, inputs);
  }

  /** A new shape is expected to cost in proportion to its elements, until its own batches teach better. */
  #add(key: string, inputs: readonly Tensor[]): Bucket<WorkItem> {
    let elements = 0;
    for (const { shape } of inputs) elements += elementCount(this.#batchable ? shape.slice(1) : shape);
    if (this.#byShape.size === 0) this.#firstElements = Math.max(1, elements);
    this.#forgetOne();
    const cost = this.#byShape.size === 0 ? this.#cost : this.#cost.scaled(elements / this.#firstElements);
    const bucket = this.#scheduler.addBucket(cost);
    this.#byShape.set(key, bucket);
    return bucket;
  }

  #forgetOne(): void {
    if (this.#byShape.size < maxBuckets) return;
    for (const [key, bucket] of this.#byShape) {
      if (bucket.queue.requests > 0 || bucket.cost === this.#cost) continue;
      this.#scheduler.removeBucket(bucket);
      this.#byShape.delete(key);
      return;
    }
  }
}
