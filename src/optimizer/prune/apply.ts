/** Cuts channels out of constants. Called by the structured pruning pass, with a graph that channels were followed through. */
import type { TensorLiteral } from '../../onnx-file/model.ts';
import { makeValueInfo } from '../../onnx-file/model.ts';
import type { Constant } from '../graph/constant.ts';
import type { Graph } from '../graph/graph.ts';
import type { ChannelFlow } from './channel-flow.ts';

/** @param isKept of any slot */
export function cutChannels({ graph, cuts, adjustments }: ChannelFlow, isKept: (slot: number) => boolean): void {
  for (const { name, axis, slots, span } of cuts) {
    const kept = keptPlaces(slots, span, isKept);
    if (kept.length === slots.length * span) continue;
    const constant = graph.constantOf(name)!;
    replace(graph, name, takeAlong(constant, axis, kept));
  }
  for (const adjust of adjustments) adjust(graph, isKept);
  graph.dropValueInfos();
  graph.removeUnused();
}

export function keptPlaces(slots: readonly number[], span: number, isKept: (slot: number) => boolean): number[] {
  return slots.flatMap((slot, index) =>
    isKept(slot) ? Array.from({ length: span }, (_, offset) => index * span + offset) : [],
  );
}

function takeAlong(constant: Constant, axis: number, kept: readonly number[]): TensorLiteral {
  const { name, dims, elementCount, byteLength } = constant;
  const raw = constant.raw();
  const inner = (dims.slice(axis + 1).reduce((product, size) => product * size, 1) * byteLength) / elementCount;
  const outer = dims.slice(0, axis).reduce((product, size) => product * size, 1);
  const taken = new Uint8Array(outer * kept.length * inner);
  let to = 0;
  for (let block = 0; block < outer; block++) {
    for (const place of kept) {
      const from = (block * dims[axis]! + place) * inner;
      taken.set(raw.subarray(from, from + inner), to);
      to += inner;
    }
  }
  const datatype = constant.datatype as TensorLiteral['datatype'];
  return { name, datatype, dims: dims.with(axis, kept.length), raw: taken };
}

/** In the place of an initializer; the value of a Constant node moves into one, under its name. */
function replace(graph: Graph, name: string, literal: TensorLiteral): void {
  if (graph.isInitializer(name)) {
    graph.setInitializer(literal);
    // Models of the first IR versions list it among the inputs, with its size.
    if (graph.isGraphInput(name)) graph.setGraphInput(makeValueInfo(name, literal.datatype, literal.dims));
  } else {
    const made = graph.addInitializer({ ...literal, name: graph.freshName(name) });
    graph.replaceUses(name, made.name);
  }
}
