/**
 * Which address gets the next call. Pure: what varies comes in (calls in flight, who is usable, randomness). Called by
 * upstream-pool.ts once per attempt. Knows nothing of health: the pool says who may be picked.
 */
import type { Random } from '../../ports/clock.ts';
import type { BalanceKind } from '../../ports/upstream-config.ts';

export interface Candidate {
  /** Position in model.json, from 0 on. */
  readonly index: number;
  readonly weight: number;
  readonly inFlight: number;
}

export interface Balancer {
  /** One of `usable`, which holds at least one, in the order of their positions. */
  pick<C extends Candidate>(usable: readonly C[]): C;
}

/** @param count how many addresses there are in all */
export function createBalancer(kind: BalanceKind, count: number, random: Random): Balancer {
  switch (kind) {
    case 'round-robin':
      return new RoundRobin();
    case 'least-in-flight':
      return new LeastInFlight(count);
    case 'weighted':
      return new Weighted(count);
    case 'random-of-two':
      return new RandomOfTwo(random);
  }
}

/** The next one after the last picked, by position, so that one that is away does not shift the others. */
class RoundRobin implements Balancer {
  #last = -1;

  pick<C extends Candidate>(usable: readonly C[]): C {
    const next = usable.find((candidate) => candidate.index > this.#last) ?? usable[0]!;
    this.#last = next.index;
    return next;
  }
}

/** Ties go round, or an idle pool would send everything to the first. */
class LeastInFlight implements Balancer {
  readonly #count: number;
  #start = 0;

  constructor(count: number) {
    this.#count = count;
  }

  pick<C extends Candidate>(usable: readonly C[]): C {
    let best = usable[0]!;
    for (const candidate of usable) {
      if (candidate.inFlight < best.inFlight) best = candidate;
      else if (candidate.inFlight === best.inFlight && this.#turn(candidate) < this.#turn(best)) best = candidate;
    }
    this.#start = best.index + 1;
    return best;
  }

  #turn({ index }: Candidate): number {
    return (index - this.#start + this.#count) % this.#count;
  }
}

/**
 * Smooth weighted round robin, as nginx has it: in any `sum of weights` picks each gets its weight, and they are spread out
 * instead of coming in bursts (github.com/nginx/nginx/commit/52327e0627f49dbda1e8db695e63a4b0af4448b1).
 */
class Weighted implements Balancer {
  readonly #credit: number[];

  constructor(count: number) {
    this.#credit = new Array<number>(count).fill(0);
  }

  pick<C extends Candidate>(usable: readonly C[]): C {
    let total = 0;
    let best = usable[0]!;
    for (const candidate of usable) {
      total += candidate.weight;
      this.#credit[candidate.index]! += candidate.weight;
      if (this.#rank(candidate) > this.#rank(best)) best = candidate;
    }
    this.#credit[best.index]! -= total;
    return best;
  }

  /** Weight 0 comes after everybody else, whatever its credit. */
  #rank({ index, weight }: Candidate): number {
    return weight === 0 ? Number.NEGATIVE_INFINITY : this.#credit[index]!;
  }
}

/** The less busy of two drawn at random: nearly as even as asking all, and several gateways do not all run to the same one. */
class RandomOfTwo implements Balancer {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  pick<C extends Candidate>(usable: readonly C[]): C {
    const { length } = usable;
    if (length === 1) return usable[0]!;
    const first = Math.floor(this.#random() * length);
    const step = 1 + Math.floor(this.#random() * (length - 1));
    const one = usable[first]!;
    const other = usable[(first + step) % length]!;
    return other.inFlight < one.inFlight ? other : one;
  }
}
