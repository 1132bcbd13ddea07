/**
 * Quantizes copies of a model with different layers and measures how far their answers are from the original's. Called by mixed
 * precision. Calibrates once; keeps the original's answers in memory and never changes the graph it was given.
 */
import { HotpathError, invalidInput } from '../../../core/errors.ts';
import type { Tensor } from '../../../core/tensor.ts';
import type { Ranges } from '../../calibrate/calibrate.ts';
import type { Graph } from '../../graph/graph.ts';
import { openGraph } from '../../graph/open-graph.ts';
import type { Dataset, Feeds, LayerChange, OpenModel, PassContext } from '../../pass.ts';
import type { Noise } from '../../quantize/sqnr.ts';
import { addSquares, decibels, noNoise } from '../../quantize/sqnr.ts';
import type { MixedPrecisionSettings } from '../mixed-precision.ts';
import type { StaticInt8Settings } from '../static-int8.ts';
import { calibrateForInt8, staticInt8 } from '../static-int8.ts';

type Answers = readonly Readonly<Record<string, Tensor>>[];

export class Int8Trials {
  readonly ranges: Ranges;
  /** All that can be quantized and are not excluded by the settings. */
  readonly layers: readonly LayerChange[];
  readonly #graph: Graph;
  readonly #settings: StaticInt8Settings;
  readonly #context: PassContext;
  readonly #feeds: readonly Feeds[];
  readonly #answers: Answers;

  private constructor(
    graph: Graph,
    settings: StaticInt8Settings,
    context: PassContext,
    found: { ranges: Ranges; layers: readonly LayerChange[]; feeds: readonly Feeds[]; answers: Answers },
  ) {
    this.#graph = graph;
    this.#settings = settings;
    this.#context = context;
    this.ranges = found.ranges;
    this.layers = found.layers;
    this.#feeds = found.feeds;
    this.#answers = found.answers;
  }

  /** @throws INVALID_INPUT and CANCELLED as static quantization does */
  static async start(graph: Graph, settings: MixedPrecisionSettings, context: PassContext): Promise<Int8Trials> {
    const share = (done: number, what: string): void => context.onProgress(done * 0.1, what);
    const ranges = await calibrateForInt8(graph, settings, { ...context, onProgress: share });
    const quietly = { ...context, onProgress: () => undefined };
    const { changed } = await staticInt8(graph.clone(), { ...settings, ranges }, quietly);
    const layers = changed.filter(({ opType }) => ['Conv', 'Gemm', 'MatMul'].includes(opType));
    const model = await openGraph(graph, context.runner);
    try {
      const data = settings.validation ?? context.calibration;
      if (data === undefined) throw invalidInput('data', 'Mixed precision needs rows to compare answers on.');
      const feeds = feedsOf(model, data, settings.validationRows ?? 16);
      return new Int8Trials(graph, { ...settings, ranges }, quietly, {
        ranges,
        layers,
        feeds,
        answers: await answersOf(model, feeds),
      });
    } finally {
      await model.close();
    }
  }

  /** Of the worst float output, in decibels. @throws CANCELLED */
  async measure(changes: Pick<StaticInt8Settings, 'only' | 'exclude'>): Promise<number> {
    if (this.#context.signal?.aborted) throw new HotpathError('CANCELLED', 'The search for a precision was cancelled.');
    const copy = this.#graph.clone();
    const exclude = [...(this.#settings.exclude ?? []), ...(changes.exclude ?? [])];
    await staticInt8(copy, { ...this.#settings, ...changes, exclude }, this.#context);
    const model = await openGraph(copy, this.#context.runner);
    try {
      return worstOutput(this.#answers, await answersOf(model, this.#feeds));
    } finally {
      await model.close();
    }
  }
}

/** All rows at once where the model takes any number, else as many as it takes. */
function feedsOf(model: OpenModel, data: Dataset, most: number): Feeds[] {
  const rows = Math.min(data.rows, most);
  const fixed = model.inputs.find(({ shape }) => (shape[0] ?? -1) > 0)?.shape[0];
  const step = fixed ?? Math.min(rows, 4);
  const feeds: Feeds[] = [];
  for (let row = 0; row + (fixed ?? 1) <= rows; row += step) feeds.push(data.slice(row, Math.min(step, rows - row)));
  return feeds;
}

async function answersOf(model: OpenModel, feeds: readonly Feeds[]): Promise<Answers> {
  const answers: Readonly<Record<string, Tensor>>[] = [];
  for (const feed of feeds) answers.push(await model.run(feed));
  return answers;
}

function worstOutput(reference: Answers, actual: Answers): number {
  let worst = Number.POSITIVE_INFINITY;
  for (const [name, first] of Object.entries(reference[0] ?? {})) {
    if (first.datatype !== 'float32') continue;
    let sum: Noise = noNoise;
    for (const [index, answer] of reference.entries()) {
      sum = addSquares(sum, answer[name]!.data as Float32Array, actual[index]![name]!.data as Float32Array);
    }
    worst = Math.min(worst, decibels(sum));
  }
  return worst;
}
