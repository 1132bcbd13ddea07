/**
 * What is known of the channels in a graph while they are followed: which slots lie along which axis of each value, which
 * constants hold them, and which layers make and take them. Filled by follow.ts and its rules, used by groups.ts and apply.ts.
 */
import type { Graph } from '../graph/graph.ts';
import { describeNode, type Node } from '../graph/node.ts';
import type { LayerChange } from '../pass.ts';
import { SlotSet } from './slots.ts';

/** Along `axis` a value has `slots.length * span` elements: `span` neighbours per slot, more than 1 behind a Flatten. */
export interface ChannelMap {
  readonly axis: number;
  readonly slots: readonly number[];
  readonly span: number;
}

/** A constant whose `axis` holds the slots. */
export interface ConstantCut extends ChannelMap {
  readonly name: string;
}

/** A layer's side: the value that goes in or comes out, and the weight with the axis of the slots. */
export interface LayerSide extends ChannelMap {
  readonly node: Node;
  readonly value: string;
  readonly weight: string;
}

/** Something else that has to follow a cut; `keeps` counts what is left. */
export type Adjustment = (graph: Graph, isKept: (slot: number) => boolean) => void;

export class ChannelFlow {
  readonly graph: Graph;
  readonly slots = new SlotSet();
  readonly maps = new Map<string, ChannelMap>();
  readonly cuts: ConstantCut[] = [];
  readonly producers: LayerSide[] = [];
  readonly consumers: LayerSide[] = [];
  readonly adjustments: Adjustment[] = [];
  /** Nodes that channels could not be followed through, once each. */
  readonly stops: LayerChange[] = [];
  readonly #shapes: ReadonlyMap<string, { readonly shape: readonly number[] }>;

  constructor(graph: Graph, shapes: ReadonlyMap<string, { readonly shape: readonly number[] }>) {
    this.graph = graph;
    this.#shapes = shapes;
  }

  shape(value: string): readonly number[] | undefined {
    return this.#shapes.get(value)?.shape ?? this.graph.constantOf(value)?.dims;
  }

  map(value: string | undefined): ChannelMap | undefined {
    return value === undefined ? undefined : this.maps.get(value);
  }

  pinValue(value: string): void {
    this.slots.pin(this.maps.get(value)?.slots ?? []);
  }

  /** All channels that the node takes stay. */
  stop(node: Node, why: string): void {
    const taken = [...node.inputs, ...node.bodies.uses].filter((value) => this.maps.has(value));
    for (const value of taken) this.pinValue(value);
    if (taken.length > 0) this.stops.push({ node: node.name || node.outputs[0]!, opType: node.opType, what: why });
  }

  /** @returns false, the slots then being pinned, where the constant is shared or no constant of this size */
  cut(node: Node, index: number, axis: number, { slots, span }: ChannelMap): boolean {
    const name = node.inputs[index] ?? '';
    const constant = name === '' ? undefined : this.graph.constantOf(name);
    const fits = constant?.dims[axis] === slots.length * span && this.graph.consumersOf(name).length === 1;
    if (!fits) {
      this.slots.pin(slots);
      this.stops.push({
        node: node.name || node.outputs[0]!,
        opType: node.opType,
        what: sharedOr(this.graph, name, node),
      });
      return false;
    }
    this.cuts.push({ name, axis, slots, span });
    return true;
  }
}

function sharedOr(graph: Graph, name: string, node: Node): string {
  return graph.consumersOf(name).length > 1
    ? `"${name}" is shared with another node: channels kept`
    : `"${name}" of ${describeNode(node)} does not show its channels: kept`;
}
