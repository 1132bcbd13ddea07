/** Channels through Conv, Gemm and MatMul: each makes slots of its own, a depthwise Conv hands on those it takes. Called by follow.ts. */
import { int } from '../../onnx-file/model.ts';
import type { Node } from '../graph/node.ts';
import type { ChannelFlow, ChannelMap } from './channel-flow.ts';

/** Axes of the weight's constant, and of the output's channels. */
interface Axes {
  readonly input: number;
  readonly output: number;
}

export function followLayer(flow: ChannelFlow, node: Node): boolean {
  const weight = flow.graph.constantOf(node.inputs[1] ?? '');
  const rank = flow.shape(node.outputs[0]!)?.length;
  if (weight === undefined || rank === undefined || node.outputs.length !== 1) return false;
  if (node.opType === 'Conv') return followConv(flow, node, weight.dims);
  if (weight.dims.length !== 2 || node.int('transA', 0) === 1) return false;
  const transposed = node.opType === 'Gemm' && node.int('transB', 0) === 1;
  return dense(flow, node, transposed ? { input: 1, output: 0 } : { input: 0, output: 1 }, rank - 1);
}

function followConv(flow: ChannelFlow, node: Node, dims: readonly number[]): boolean {
  const group = node.int('group', 1);
  if (group === 1) return dense(flow, node, { input: 1, output: 0 }, 1);
  const map = flow.map(node.inputs[0]);
  if (group !== dims[0] || dims[1] !== 1) return map === undefined;
  if (map === undefined) return true;
  if (map.axis !== 1 || map.span !== 1 || map.slots.length !== group) return false;
  flow.cut(node, 1, 0, map);
  if ((node.inputs[2] ?? '') !== '') flow.cut(node, 2, 0, map);
  flow.maps.set(node.outputs[0]!, map);
  flow.adjustments.push((_, isKept) => node.setAttribute('group', int(map.slots.filter(isKept).length)));
  return true;
}

function dense(flow: ChannelFlow, node: Node, axes: Axes, channelAxis: number): boolean {
  const [value = '', weight = '', bias = ''] = node.inputs;
  const taken = flow.map(value);
  if (taken !== undefined && taken.axis !== channelAxis) return false;
  if (taken !== undefined && flow.cut(node, 1, axes.input, taken)) {
    flow.consumers.push({ ...taken, node, value, weight, axis: axes.input });
  }
  const slots = flow.slots.add(flow.graph.constantOf(weight)!.dims[axes.output]!);
  const made: ChannelMap = { axis: channelAxis, slots, span: 1 };
  if (flow.cut(node, 1, axes.output, made)) {
    flow.producers.push({ ...made, node, value: node.outputs[0]!, weight, axis: axes.output });
  }
  if (bias !== '') cutBias(flow, node, bias, made);
  flow.maps.set(node.outputs[0]!, made);
  return true;
}

function cutBias(flow: ChannelFlow, node: Node, bias: string, made: ChannelMap): void {
  const dims = flow.graph.constantOf(bias)?.dims;
  // One number for all channels needs no cut.
  if (dims !== undefined && (dims.at(-1) ?? 1) === 1) return;
  flow.cut(node, 2, (dims?.length ?? 1) - 1, made);
}
