/**
 * Writes a quantization plan into the graph: QuantizeLinear and DequantizeLinear around values, integer weights and biases behind
 * DequantizeLinear. The runtime fuses them into integer kernels when it loads the model. Called by static quantization.
 */
import { invalidInput } from '../../../core/errors.ts';
import type { TypedArray } from '../../../core/tensor.ts';
import { float, int, makeNode, makeTensor } from '../../../onnx-file/model.ts';
import type { Ranges } from '../../calibrate/calibrate.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Node } from '../../graph/node.ts';
import type { Affine, Levels } from '../../quantize/affine.ts';
import { asymmetric, quantizeInto, rangeOf, uint8Levels } from '../../quantize/affine.ts';
import { biasScales, quantizeBias, scalesForBias } from '../../quantize/bias.ts';
import { channelAbsMax, channelScales, channelView, quantizeChannels } from '../../quantize/per-channel.ts';
import type { Layer } from './layers.ts';
import type { Passer, Regions } from './regions.ts';

export interface EmitOptions {
  readonly ranges: Ranges;
  readonly perChannel: boolean;
  readonly weightLevels: Levels;
  /** Of QuantizeLinear and DequantizeLinear: '' from opset 13 on, else com.microsoft. */
  readonly domain: string;
}

export function emitQdq(graph: Graph, regions: Regions, options: EmitOptions): void {
  const affines = chooseAffines(graph, regions, options.ranges);
  const emitter = new Emitter(graph, options.domain);
  for (const layer of regions.layers) emitLayer(emitter, layer, affines.get(layer.input)!, options);
  for (const passer of regions.passers) for (const index of passer.constants) emitOperand(emitter, passer, index);
  for (const [value, made] of regions.values) emitValue(emitter, regions, value, made, affines.get(value)!);
}

/** Scales of all values. Operators that only move numbers keep that of their input, and what only a Concat takes gets its scale. */
function chooseAffines(graph: Graph, { passers, values }: Regions, ranges: Ranges): Map<string, Affine> {
  const makers = new Map(passers.map((passer) => [passer.output, passer]));
  const concats = new Map(
    passers.filter(({ node }) => node.opType === 'Concat').map((passer) => [passer.node, passer]),
  );
  const chosen = new Map<string, Affine>();
  const choose = (value: string): Affine => {
    const known = chosen.get(value);
    if (known !== undefined) return known;
    const maker = makers.get(value);
    const uses = graph.consumersOf(value);
    const concat = uses.length === 1 ? concats.get(uses[0]!.node) : undefined;
    let affine: Affine;
    if (maker?.keepsScale === true) affine = choose(maker.node.inputs[0]!);
    else if (concat !== undefined) affine = choose(concat.output);
    else affine = asymmetric(rangeFor(ranges, value));
    chosen.set(value, affine);
    return affine;
  };
  for (const value of values.keys()) choose(value);
  return chosen;
}

function rangeFor(ranges: Ranges, value: string): { readonly min: number; readonly max: number } {
  const range = ranges.get(value);
  if (range === undefined) throw invalidInput(value, `No range is known of the value "${value}".`);
  return range;
}

/** Adds constants and nodes under free names. */
class Emitter {
  readonly graph: Graph;
  readonly domain: string;

  constructor(graph: Graph, domain: string) {
    this.graph = graph;
    this.domain = domain;
  }

  constant(
    prefix: string,
    datatype: 'float32' | 'int8' | 'uint8' | 'int32',
    dims: readonly number[],
    data: TypedArray,
  ): string {
    return this.graph.addInitializer(makeTensor(this.graph.freshName(prefix), datatype, dims, data)).name;
  }

  scaleAndZero(prefix: string, { scale, zeroPoint }: Affine): string[] {
    return [
      this.constant(`${prefix}_scale`, 'float32', [], Float32Array.of(scale)),
      this.constant(`${prefix}_zero_point`, 'uint8', [], Uint8Array.of(zeroPoint)),
    ];
  }

  /** @returns the name of the float value that stands for the constant. */
  dequantized(place: Node, prefix: string, inputs: readonly string[], axis?: number): string {
    const output = this.graph.freshName(`${prefix}_dequantized`);
    const attributes = axis === undefined ? {} : { axis: int(axis) };
    const name = this.graph.freshName(`${prefix}_DequantizeLinear`);
    this.graph.insertBefore(
      place,
      makeNode('DequantizeLinear', inputs, [output], attributes, { name, domain: this.domain }),
    );
    return output;
  }
}

function emitLayer(emitter: Emitter, layer: Layer, input: Affine, options: EmitOptions): void {
  const { node, weight, bias, channelAxis } = layer;
  const values = layer.alpha === 1 ? weight.floats() : weight.floats().map((value) => value * layer.alpha);
  const view = channelView(weight.dims, channelAxis);
  const largest = channelAbsMax(values, view);
  const tops = options.perChannel ? largest : [largest.reduce((top, value) => Math.max(top, value), 0)];
  const plain = channelScales(tops, options.weightLevels);
  const scales = bias === undefined ? plain : scalesForBias(plain, input.scale, bias);
  const dims = options.perChannel ? [view.channels] : [];
  const quantized = quantizeChannels(values, view, scales, options.weightLevels);
  const weightInputs = [
    emitter.constant(`${weight.name}_quantized`, 'int8', weight.dims, quantized),
    emitter.constant(`${weight.name}_scale`, 'float32', dims, scales),
    emitter.constant(`${weight.name}_zero_point`, 'int8', dims, new Int8Array(scales.length)),
  ];
  const axis = options.perChannel ? channelAxis : undefined;
  const inputs = [node.inputs[0]!, emitter.dequantized(node, weight.name, weightInputs, axis)];
  if (bias !== undefined) inputs.push(emitBias(emitter, layer, bias, biasScales(scales, input.scale), dims));
  emitter.graph.setInputs(node, inputs);
  if (node.opType === 'Gemm') {
    node.setAttribute('alpha', float(1));
    node.setAttribute('beta', float(1));
  }
}

function emitBias(
  emitter: Emitter,
  { node }: Layer,
  bias: Float32Array,
  scales: Float32Array<ArrayBuffer>,
  dims: readonly number[],
): string {
  const name = node.inputs[2]!;
  const inputs = [
    emitter.constant(`${name}_quantized`, 'int32', [bias.length], quantizeBias(bias, scales)),
    emitter.constant(`${name}_scale`, 'float32', dims, scales),
    emitter.constant(`${name}_zero_point`, 'int32', dims, new Int32Array(scales.length)),
  ];
  return emitter.dequantized(node, name, inputs, dims.length > 0 ? 0 : undefined);
}

/** A constant operand of Add or Mul, with a range of its own. */
function emitOperand(emitter: Emitter, { node }: Passer, index: number): void {
  const constant = emitter.graph.constantOf(node.inputs[index]!)!;
  const values = constant.floats();
  const affine = asymmetric(rangeOf(values));
  const quantized = quantizeInto(values, affine, uint8Levels, new Uint8Array(values.length));
  const inputs = [
    emitter.constant(`${constant.name}_quantized`, 'uint8', constant.dims, quantized),
    ...emitter.scaleAndZero(constant.name, affine),
  ];
  emitter.graph.replaceInput(node, index, emitter.dequantized(node, constant.name, inputs));
}

/** The pair behind a value. What a float operator made, other float operators go on taking as it is. */
function emitValue(emitter: Emitter, regions: Regions, value: string, made: boolean, affine: Affine): void {
  const { graph, domain } = emitter;
  const [quantized, dequantized] = [graph.freshName(`${value}_quantized`), graph.freshName(`${value}_dequantized`)];
  const parameters = emitter.scaleAndZero(value, affine);
  const users = new Set<Node>(regions.layers.map(({ node }) => node));
  for (const { node } of regions.passers) users.add(node);
  const uses = graph.consumersOf(value).filter(({ node, index }) => index >= 0 && (made || users.has(node)));
  const literal = makeNode(
    'QuantizeLinear',
    [value, ...parameters],
    [quantized],
    {},
    {
      name: graph.freshName(`${value}_QuantizeLinear`),
      domain,
    },
  );
  const producer = graph.producerOf(value);
  const q =
    producer === undefined ? graph.insertBefore(graph.nodes[0]!, literal) : graph.insertAfter(producer, literal);
  graph.insertAfter(
    q,
    makeNode(
      'DequantizeLinear',
      [quantized, ...parameters],
      [dequantized],
      {},
      {
        name: graph.freshName(`${value}_DequantizeLinear`),
        domain,
      },
    ),
  );
  for (const { node, index } of uses) graph.replaceInput(node, index, dequantized);
}
