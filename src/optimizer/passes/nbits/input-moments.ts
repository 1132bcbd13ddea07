/**
 * Second moments of a layer's inputs from calibration rows, freed of the correlations that are only chance. Called by
 * layer-inputs.ts. With no more rows than features most correlations of independent inputs are chance, and GPTQ would round for
 * them. The shrinkage is Ledoit and Wolf's (2004), towards the diagonal: the share by which it lowers the expected squared error.
 */
import { addGram } from '../../linear-algebra/gram.ts';

export class InputMoments {
  readonly width: number;
  rows = 0;
  readonly #gram: Float64Array;
  /** Sum over rows of the squares of all products of two different features. */
  #productSquares = 0;

  constructor(width: number) {
    this.width = width;
    this.#gram = new Float64Array(width * width);
  }

  /** `rows` [count, width] */
  add(rows: Float32Array, count: number): void {
    addGram(this.#gram, rows, count, this.width);
    for (let row = 0; row < count; row++) {
      let [squares, fourths] = [0, 0];
      for (let at = row * this.width; at < (row + 1) * this.width; at++) {
        const square = rows[at]! * rows[at]!;
        squares += square;
        fourths += square * square;
      }
      this.#productSquares += squares * squares - fourths;
    }
    this.rows += count;
  }

  /** X'X, upper triangle [width, width], its products of different features shrunk. Ends the summing up. */
  finish(): Float64Array {
    const keep = 1 - this.#chanceShare();
    for (let i = 0; i < this.width; i++) {
      for (let j = i + 1; j < this.width; j++) this.#gram[i * this.width + j] = this.#gram[i * this.width + j]! * keep;
    }
    return this.#gram;
  }

  /** How much of the squared products of different features is noise of the sample, 0 to 1. */
  #chanceShare(): number {
    let found = 0;
    for (let i = 0; i < this.width; i++) {
      for (let j = i + 1; j < this.width; j++) found += 2 * this.#gram[i * this.width + j]! ** 2;
    }
    if (found === 0 || this.rows === 0) return 0;
    const noise = this.#productSquares - found / this.rows;
    return Math.min(1, Math.max(0, noise / found));
  }
}
