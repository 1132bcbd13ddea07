/**
 * One fully connected layer as MatMulNBits: codes and scales in the place of float weights. Called by weight-only.ts and gptq.ts.
 * Changes only that layer.
 */
import type { Node as NodeLiteral } from '../../../onnx-file/model.ts';
import { int, makeNode, makeTensor } from '../../../onnx-file/model.ts';
import type { Graph } from '../../graph/graph.ts';
import type { LayerChange } from '../../pass.ts';
import type { LinearLayer } from '../linear/find-layers.ts';
import { layerChange } from '../linear/find-layers.ts';
import { layerBias } from '../linear/layer-weights.ts';
import type { BlockCodes } from './block-codes.ts';
import { describeSettings } from './settings.ts';

const domain = 'com.microsoft';

export function replaceLayer(graph: Graph, layer: LinearLayer, codes: BlockCodes, accuracyLevel: number): LayerChange {
  const { node, input, inner, outer } = layer;
  const [output = ''] = node.outputs;
  graph.head.setOpset(domain, 1);
  const bias = layerBias(graph, layer);
  // The operator adds a constant vector itself.
  const isInside = bias?.isVector === true && bias.nodes.length === 0 && graph.constantOf(bias.value) !== undefined;
  const product = bias === undefined || isInside ? output : graph.freshName(`${output}_product`);
  const inputs = [input, ...addCodes(graph, layer, codes)];
  if (isInside) inputs.push(...Array<string>(5 - inputs.length).fill(''), bias.value);
  const attributes = {
    K: int(inner),
    N: int(outer),
    bits: int(codes.settings.bits),
    block_size: int(codes.settings.blockSize),
    accuracy_level: int(accuracyLevel),
  };
  const literals: NodeLiteral[] = [makeNode('MatMulNBits', inputs, [product], attributes, { name: node.name, domain })];
  if (bias !== undefined && !isInside)
    literals.push(...bias.nodes, makeNode('Add', [product, bias.value], [output], {}, { name: '' }));
  graph.replaceNode(node, literals);
  return layerChange(node, `weight [${inner}, ${outer}] as ${describeSettings(codes.settings)}`);
}

/** Names of codes, scales and, where they are needed, zero points. */
function addCodes(graph: Graph, { weight, outer }: LinearLayer, codes: BlockCodes): string[] {
  const { bits, blockSize } = codes.settings;
  const add = (
    part: string,
    datatype: 'uint8' | 'float32',
    dims: number[],
    data: Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>,
  ) => graph.addInitializer(makeTensor(graph.freshName(`${weight.name}_${part}`), datatype, dims, data)).name;
  const zeros = codes.packedZeros();
  return [
    add(`q${bits}`, 'uint8', [outer, codes.blocks, (blockSize * bits) / 8], codes.packedCodes()),
    add('scales', 'float32', [outer * codes.blocks], codes.packedScales()),
    ...(zeros === undefined ? [] : [add('zeros', 'uint8', [zeros.length], zeros)]),
  ];
}
