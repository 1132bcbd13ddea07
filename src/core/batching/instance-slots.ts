/** The scheduler's view of a model's instances: who is free, who is busy until about when, who is being replaced. */
import type { Clock } from '../../ports/clock.ts';

interface Slot {
  available: boolean;
  busy: boolean;
  expectedEndMs: number;
}

export class InstanceSlots {
  readonly #slots: Slot[];
  readonly #clock: Clock;

  constructor(count: number, clock: Clock) {
    this.#clock = clock;
    this.#slots = Array.from({ length: count }, () => ({ available: true, busy: false, expectedEndMs: 0 }));
  }

  get busy(): number {
    let count = 0;
    for (const slot of this.#slots) if (slot.busy) count++;
    return count;
  }

  get available(): number {
    let count = 0;
    for (const slot of this.#slots) if (slot.available) count++;
    return count;
  }

  /** Index of a free instance, -1 if there is none. */
  findIdle(): number {
    const slots = this.#slots;
    for (let index = 0; index < slots.length; index++) {
      if (slots[index]!.available && !slots[index]!.busy) return index;
    }
    return -1;
  }

  occupy(index: number, expectedMs: number): void {
    const slot = this.#slots[index]!;
    slot.busy = true;
    slot.expectedEndMs = this.#clock.now() + expectedMs;
  }

  release(index: number): void {
    this.#slots[index]!.busy = false;
  }

  setAvailable(index: number, available: boolean): void {
    this.#slots[index]!.available = available;
  }

  /** Milliseconds until the next instance is free; an overdue one is expected any moment. */
  residualMs(): number {
    const now = this.#clock.now();
    let residual = Number.POSITIVE_INFINITY;
    for (const slot of this.#slots) {
      if (!slot.available) continue;
      if (!slot.busy) return 0;
      residual = Math.min(residual, Math.max(0, slot.expectedEndMs - now));
    }
    return residual === Number.POSITIVE_INFINITY ? 0 : residual;
  }
}
