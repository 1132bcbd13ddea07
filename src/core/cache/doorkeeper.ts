/**
 * Decides which new answers are worth a place in memory. Normally all are. While a model's lookups hardly ever hit, keeping every
 * answer only costs: copying it and collecting it as garbage later takes several times what the lookup does. Then only keys that were
 * asked for before, and one in 64 others are let in, which is enough to notice when repeats begin. Where even that brings no hits, as
 * when more keys come in turn than memory holds, fewer of those asked for before are let in too. One per model cache; pure.
 */

/** Lookups after which the share of hits is looked at. */
const windowLookups = 4096;
/**
 * Choosier below the first share of hits, less so from the second on, back to normal from the third. Far apart: what little is kept
 * while it is choosy stays for long and brings a few hits, which must not open the door to all that would drive it out.
 */
const choosyBelow = 0.01;
const milderFrom = 0.02;
const openFrom = 0.1;
const letInEvery = 64;
/** Keys remembered, one word each. */
const memorySlots = 16_384;
/** Characters of a key that are looked at: a mistake only lets one more in. */
const hashedCharacters = 32;

export class Doorkeeper {
  #lookups = 0;
  #hits = 0;
  #turned = 0;
  /** Of keys asked for before, every so many is let in. */
  #seenEvery = 1;
  #turnedSeen = 0;
  /** Set while choosy. */
  #seen: Uint32Array | undefined;

  get choosy(): boolean {
    return this.#seen !== undefined;
  }

  /** Once per lookup. */
  count(hit: boolean): void {
    if (hit) this.#hits++;
    if (++this.#lookups < windowLookups) return;
    const share = this.#hits / this.#lookups;
    this.#lookups = 0;
    this.#hits = 0;
    if (share < choosyBelow) this.#choose();
    else if (share >= openFrom) this.#seen = undefined;
    else if (share >= milderFrom) this.#seenEvery = Math.max(1, this.#seenEvery / 2);
  }

  #choose(): void {
    if (this.#seen === undefined) {
      this.#seen = new Uint32Array(memorySlots);
      this.#seenEvery = 1;
    } else {
      this.#seenEvery = Math.min(letInEvery, 2 * this.#seenEvery);
    }
  }

  /** Whether the answer to a key that was not found is to be kept. */
  admits(key: string): boolean {
    const seen = this.#seen;
    if (seen === undefined) return true;
    const hash = hashOf(key);
    const slot = hash % memorySlots;
    if (seen[slot] === hash) return ++this.#turnedSeen % this.#seenEvery === 0;
    seen[slot] = hash;
    return ++this.#turned % letInEvery === 0;
  }
}

/** Never 0, which marks an empty slot. */
function hashOf(key: string): number {
  const stride = Math.max(1, Math.floor(key.length / hashedCharacters));
  let hash = key.length;
  for (let index = key.length - 1; index >= 0; index -= stride)
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0 || 1;
}
