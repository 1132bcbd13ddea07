/**
 * Dynamic INT8: weights of MatMul and Gemm become S8 with a scale per output channel, inputs become U8 by their own range at
 * each run. No calibration. Written in standard operators, which ONNX Runtime fuses into one (DynamicQuantizeMatMul, or
 * MatMulIntegerToFloat where several layers share the quantized input). Convolutions stay: with S8 weights they are slower.
 * Weights in other files are read one at a time, here for their scales and again when the model is written.
 */
import { setImmediate } from 'node:timers/promises';
import type { Node as NodeLiteral } from '../../onnx-file/model.ts';
import { int, makeNode, makeTensor } from '../../onnx-file/model.ts';
import { dataTypes } from '../../onnx-file/schema.ts';
import type { Graph } from '../graph/graph.ts';
import type { LayerChange, Pass, PassReport } from '../pass.ts';
import type { Levels } from '../quantize/affine.ts';
import { int8Levels, reducedInt8Levels } from '../quantize/affine.ts';
import { channelAbsMax, channelScales, channelView, quantizeChannels } from '../quantize/per-channel.ts';
import type { LinearLayer } from './linear/find-layers.ts';
import { findLinearLayers, layerChange } from './linear/find-layers.ts';
import { layerBias, storedWeights, transpose } from './linear/layer-weights.ts';

export interface DynamicInt8Settings {
  /** @default true */
  readonly perChannel?: boolean;
  /** Seven-bit weights, for x64 processors without VNNI, whose 16-bit sums overflow otherwise. @default false */
  readonly reduceRange?: boolean;
  /** Names of nodes, as reports give them, that stay float32. */
  readonly exclude?: readonly string[] | undefined;
}

/** DynamicQuantizeLinear came with it. */
const lowestOpset = 11;

export const dynamicInt8: Pass<DynamicInt8Settings> = async (graph, settings, { signal, onProgress }) => {
  const { perChannel = true, reduceRange = false, exclude } = settings;
  const title = `dynamic INT8 (${perChannel ? 'per channel' : 'per tensor'}${reduceRange ? ', 7 bits' : ''})`;
  const opset = graph.head.opset() ?? 0;
  const { layers, skipped } = findLinearLayers(graph, exclude);
  if (opset < lowestOpset) return tooOld(title, opset, layers, skipped);
  if (layers.length > 0) graph.fixConstants();
  const changed: LayerChange[] = [];
  const inputs = new QuantizedInputs(graph, layers);
  for (const [index, layer] of layers.entries()) {
    signal?.throwIfAborted();
    changed.push(
      quantizeLayer(graph, layer, inputs, { perChannel, levels: reduceRange ? reducedInt8Levels : int8Levels }),
    );
    onProgress((index + 1) / layers.length, changed.at(-1)!.node);
    await setImmediate();
  }
  if (changed.length > 0) graph.removeUnused();
  return {
    title,
    changed,
    skipped: [...skipped, ...convolutions(graph)],
    notes: changed.length === 0 ? ['The model has no layer that dynamic INT8 applies to.'] : [],
    expectedFused: inputs.expectedFused(),
  };
};

function tooOld(
  title: string,
  opset: number,
  layers: readonly LinearLayer[],
  skipped: readonly LayerChange[],
): PassReport {
  const reason = `the model's operator set is ${opset}, and DynamicQuantizeLinear came with ${lowestOpset}`;
  return {
    title,
    changed: [],
    skipped: [...skipped, ...layers.map(({ node }) => layerChange(node, reason))],
    notes: [`Nothing was changed: ${reason}.`],
  };
}

function convolutions(graph: Graph): LayerChange[] {
  return graph.nodes
    .filter(({ opType, domain }) => domain === '' && (opType === 'Conv' || opType === 'ConvTranspose'))
    .map((node) => layerChange(node, 'convolutions are slower with weights quantized on the fly: use static INT8'));
}

interface QuantizedInput {
  readonly quantized: string;
  readonly scale: string;
  readonly zero: string;
}

/** One DynamicQuantizeLinear per value, however many layers take it. */
class QuantizedInputs {
  readonly #graph: Graph;
  readonly #users = new Map<string, number>();
  readonly #made = new Map<string, QuantizedInput>();

  constructor(graph: Graph, layers: readonly LinearLayer[]) {
    this.#graph = graph;
    for (const { input } of layers) this.#users.set(input, (this.#users.get(input) ?? 0) + 1);
  }

  /** Nodes before `layer` where it is the first that takes the value. */
  of({ node, input }: LinearLayer): QuantizedInput {
    const known = this.#made.get(input);
    if (known !== undefined) return known;
    const [quantized, scale, zero] = ['u8', 'scale', 'zero'].map((part) => this.#graph.freshName(`${input}_${part}`));
    const made = { quantized: quantized!, scale: scale!, zero: zero! };
    this.#graph.insertBefore(node, makeNode('DynamicQuantizeLinear', [input], [quantized!, scale!, zero!]));
    this.#made.set(input, made);
    return made;
  }

  /** A quantized input with one user is fused into the layer, one with several stays for all of them. */
  expectedFused(): Record<string, number> {
    let [alone, sharing] = [0, 0];
    for (const users of this.#users.values()) {
      if (users === 1) alone++;
      else sharing += users;
    }
    return {
      ...(alone > 0 ? { DynamicQuantizeMatMul: alone } : {}),
      ...(sharing > 0 ? { MatMulIntegerToFloat: sharing } : {}),
    };
  }
}

interface Precision {
  readonly perChannel: boolean;
  readonly levels: Levels;
}

function quantizeLayer(graph: Graph, layer: LinearLayer, inputs: QuantizedInputs, precision: Precision): LayerChange {
  const { node, inner, outer } = layer;
  const weight = addQuantizedWeight(graph, layer, precision);
  const input = inputs.of(layer);
  const bias = layerBias(graph, layer);
  const [output = ''] = node.outputs;
  const fresh = (part: string): string => graph.freshName(`${output}_${part}`);
  const [sums, reals, scale] = [fresh('s32'), fresh('f32'), fresh('scale')];
  const product = bias === undefined ? output : fresh('product');
  const literals: NodeLiteral[] = [
    makeNode('MatMulInteger', [input.quantized, weight.quantized, input.zero], [sums]),
    makeNode('Cast', [sums], [reals], { to: int(dataTypes.float32) }),
    makeNode('Mul', [input.scale, weight.scale], [scale]),
    makeNode('Mul', [reals, scale], [product], {}, { name: bias === undefined ? node.name : product }),
  ];
  if (bias !== undefined)
    literals.push(...bias.nodes, makeNode('Add', [product, bias.value], [output], {}, { name: node.name }));
  graph.replaceNode(node, literals);
  return layerChange(node, `weight [${inner}, ${outer}] as S8, input as U8 at each run`);
}

/** As S8 [inner, outer]; alpha goes into the scales. */
function addQuantizedWeight(
  graph: Graph,
  layer: LinearLayer,
  { perChannel, levels }: Precision,
): { readonly quantized: string; readonly scale: string } {
  const { weight, inner, outer, transposed, alpha } = layer;
  const view = perChannel
    ? channelView(weight.dims, transposed ? 0 : 1)
    : { outer: 1, channels: 1, inner: weight.elementCount };
  const scales = channelScales(channelAbsMax(storedWeights(layer), view), levels);
  const folded = scales.map((scale) => scale * alpha);
  const scale = makeTensor(graph.freshName(`${weight.name}_scale`), 'float32', perChannel ? [outer] : [], folded);
  const quantize = (): Int8Array<ArrayBuffer> => {
    const quantized = quantizeChannels(weight.floats(), view, scales, levels);
    return transposed ? transpose(quantized, outer, inner, new Int8Array(quantized.length)) : quantized;
  };
  const literal = { name: graph.freshName(`${weight.name}_s8`), datatype: 'int8', dims: [inner, outer] } as const;
  const bytesOf = ({ buffer }: Int8Array<ArrayBuffer>): Uint8Array => new Uint8Array(buffer);
  // Of weights in other files not even the quantized form stays in memory.
  const isLazy = weight.storage === 'external';
  graph.addInitializer(
    isLazy ? { ...literal, read: () => bytesOf(quantize()) } : { ...literal, raw: bytesOf(quantize()) },
  );
  return { quantized: literal.name, scale: graph.addInitializer(scale).name };
}
