import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../../core/seeded-random.ts';
import type { Activation, Network, NetworkLayer } from './network.ts';
import { activations, networkRounding, networkScores } from './network.ts';

const layer = (inputs: number, outputs: number, weights: readonly number[], bias: readonly number[]): NetworkLayer => ({
  inputs,
  outputs,
  weights: Float32Array.from(weights),
  bias: Float32Array.from(bias),
});

describe('networkScores', () => {
  it('sums, bends between the layers only, and sums again', () => {
    const layers = [layer(2, 2, [1, -1, 2, 0.5], [0.5, 0]), layer(2, 1, [3, -2], [-10])];
    const matrix = { values: Float32Array.of(1, 2, -1, 0.25), rows: 2, columns: 2 };
    const scores = (activation: Activation) => [...networkScores({ task: 'regression', activation, layers }, matrix)];
    // Sums of the first layer: [5.5, 0] and [0, 1.125].
    assert.deepEqual(scores('relu'), [6.5, -12.25]);
    assert.deepEqual(scores('tanh'), [3 * Math.tanh(5.5) - 10, -2 * Math.tanh(1.125) - 10]);
    const sigmoid = (value: number) => 1 / (1 + Math.exp(-value));
    assert.deepEqual(scores('sigmoid'), [3 * sigmoid(5.5) - 1 - 10, 1.5 - 2 * sigmoid(1.125) - 10]);
  });
});

/** As a runtime may: every product and sum rounded to float32, terms in any order. */
function float32Scores({ layers, activation }: Network, values: Float32Array, order: (count: number) => number[]) {
  let current = [...values];
  for (const [index, { inputs, outputs, weights, bias }] of layers.entries()) {
    const bend = {
      relu: (x: number) => Math.max(0, x),
      tanh: Math.tanh,
      sigmoid: (x: number) => 1 / (1 + Math.exp(-x)),
    };
    if (index > 0) current = current.map((value) => Math.fround(bend[activation](value)));
    current = Array.from({ length: outputs }, (_, j) => {
      const terms = order(inputs).map((i) => Math.fround(current[i]! * weights[i * outputs + j]!));
      return terms.reduce((sum, term) => Math.fround(sum + term), bias[j]!);
    });
  }
  return current;
}

describe('networkRounding', () => {
  it('holds whatever float32 makes of the sums, in any order of their terms', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.constantFrom(...activations),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 2, maxLength: 5 }),
        fc.double({ min: -4, max: 6, noNaN: true }),
        (seed, activation, widths, magnitude) => {
          const random = seededRandom(seed);
          const draw = (count: number, scale: number) =>
            Float32Array.from({ length: count }, () => scale * (random() - 0.5));
          const layers = widths.slice(1).map((outputs, index): NetworkLayer => {
            const inputs = widths[index]!;
            return { inputs, outputs, weights: draw(inputs * outputs, 3), bias: draw(outputs, 10 ** magnitude) };
          });
          const network: Network = { task: 'regression', activation, layers };
          const values = draw(widths[0]!, 10 ** magnitude);
          const matrix = { values, rows: 1, columns: widths[0]! };
          const [scores, [allowed]] = [networkScores(network, matrix), networkRounding(network, matrix)];
          const shuffled = (count: number) =>
            Array.from({ length: count }, (_, i) => ({ i, at: random() }))
              .sort((a, b) => a.at - b.at)
              .map(({ i }) => i);
          const rounded = float32Scores(network, values, shuffled);
          for (const [k, score] of rounded.entries()) {
            const error = Math.abs(score - scores[k]!);
            // The answer itself is rounded once more.
            assert.ok(error <= allowed! + 2 ** -23 * Math.abs(score), `${error} beyond ${allowed}`);
          }
        },
      ),
    );
  });

  it('stays far below what an ordinary network answers', () => {
    const random = seededRandom(1);
    const draw = (count: number, scale: number) => Float32Array.from({ length: count }, () => scale * (random() - 0.5));
    const widths = [20, 64, 64, 3];
    const layers = widths.slice(1).map((outputs, index): NetworkLayer => {
      const inputs = widths[index]!;
      return { inputs, outputs, weights: draw(inputs * outputs, 2 * Math.sqrt(6 / inputs)), bias: draw(outputs, 0.1) };
    });
    const matrix = { values: draw(20 * 100, 3.5), rows: 100, columns: 20 };
    const largest = Math.max(...networkRounding({ task: 'classification', activation: 'relu', layers }, matrix));
    assert.ok(largest > 1e-7 && largest < 1e-4, String(largest));
  });
});
