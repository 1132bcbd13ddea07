/** Collects the nodes of a tree while it grows, in preorder. Called by the tree growers. It knows nothing of how splits are found. */
import type { ScoredTree } from './tree-ensemble.ts';

export interface Cut {
  readonly column: number;
  /** Rows whose bin is this or lower pass. */
  readonly bin: number;
  readonly gain: number;
}

export class TreeBuilder {
  readonly #outputs: readonly number[];
  readonly #thresholds: readonly Float32Array[];
  readonly #feature: number[] = [];
  readonly #threshold: number[] = [];
  readonly #trueChild: number[] = [];
  readonly #falseChild: number[] = [];
  readonly #scores: number[] = [];

  constructor(outputs: readonly number[], thresholds: readonly Float32Array[]) {
    this.#outputs = outputs;
    this.#thresholds = thresholds;
  }

  /** Adds a leaf and returns its index; `split` may turn it into an inner node. */
  add(): number {
    this.#trueChild.push(0);
    this.#falseChild.push(0);
    this.#threshold.push(0);
    for (let i = 0; i < this.#outputs.length; i++) this.#scores.push(0);
    return this.#feature.push(-1) - 1;
  }

  split(node: number, { column, bin }: Cut): void {
    this.#feature[node] = column;
    this.#threshold[node] = this.#thresholds[column]![bin]!;
  }

  setChildren(node: number, trueChild: number, falseChild: number): void {
    this.#trueChild[node] = trueChild;
    this.#falseChild[node] = falseChild;
  }

  setScore(node: number, output: number, score: number): void {
    this.#scores[node * this.#outputs.length + output] = score;
  }

  finish(): ScoredTree {
    return {
      outputs: this.#outputs,
      feature: Int32Array.from(this.#feature),
      threshold: Float32Array.from(this.#threshold),
      trueChild: Int32Array.from(this.#trueChild),
      falseChild: Int32Array.from(this.#falseChild),
      scores: Float64Array.from(this.#scores),
    };
  }
}

/** Moves the rows that pass the cut to the front, keeping their order, and returns how many they are. */
export function partitionRows(rows: Int32Array, bins: Uint8Array, lastBin: number, scratch: Int32Array): number {
  let front = 0;
  let others = 0;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    if (bins[row]! <= lastBin) rows[front++] = row;
    else scratch[others++] = row;
  }
  rows.set(scratch.subarray(0, others), front);
  return front;
}
