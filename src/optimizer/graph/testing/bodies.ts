/** Models with If for tests: the encoder of the product writes no bodies, so they are put together from bytes here. */
import { concatBytes, scanFields, writeFields, writeHeader } from '../../../onnx-file/fields.ts';
import type { Node as NodeLiteral, TensorLiteral } from '../../../onnx-file/model.ts';
import { makeNode, makeTensor } from '../../../onnx-file/model.ts';
import { fields } from '../../../onnx-file/schema.ts';
import type { Graph } from '../graph.ts';
import { graphFromBytes } from '../load.ts';
import { bytesOf, graphOf } from './small-models.ts';

type FloatType = 'float32' | 'float16';

const condition = 'c';
const isTrue = makeTensor(condition, 'bool', [], Uint8Array.of(1));

/** The GraphProto of a body: its nodes may use values from outside. */
export function bodyOf(nodes: readonly NodeLiteral[], output: string, datatype: FloatType = 'float32'): Uint8Array {
  const bytes = bytesOf(nodes, [], output, datatype);
  const graph = scanFields(bytes).find(({ number }) => number === fields.model.graph)!;
  // A body has no inputs.
  const kept = scanFields(graph.payload).filter(({ number }) => number !== fields.graph.input);
  return concatBytes(kept.map(({ bytes: field }) => field));
}

/** A body whose first node is another one with bodies. */
export function bodyAround(inner: Uint8Array, output: string): Uint8Array {
  return concatBytes([wrap(fields.graph.node, inner), bodyOf([], output)]);
}

/** The NodeProto of `If(c)` with two bodies. */
export function ifNode(output: string, then: Uint8Array, other: Uint8Array): Uint8Array {
  const [bare] = graphOf([makeNode('If', [condition], [output])], [isTrue], { check: false }).nodes;
  return concatBytes([bare!.message, graphAttribute('then_branch', then), graphAttribute('else_branch', other)]);
}

/** The nodes, and behind them `choice` from `ifNode`, which makes y. The condition `c` is true. */
export function graphWithIf(
  nodes: readonly NodeLiteral[],
  choice: Uint8Array,
  initializers: readonly TensorLiteral[] = [],
  datatype: FloatType = 'float32',
): Graph {
  // The node with its bodies takes the place of a plain one.
  const plain = bytesOf([...nodes, makeNode('If', [condition], ['y'])], [isTrue, ...initializers], 'y', datatype);
  const old = graphFromBytes(plain, { check: false }).nodes.at(-1)!.message;
  const chunks = scanFields(plain).map((field) => {
    if (field.number !== fields.model.graph) return field.bytes;
    const parts = scanFields(field.payload).map((part) =>
      part.number === fields.graph.node && Buffer.from(part.payload).equals(old)
        ? wrap(fields.graph.node, choice)
        : part.bytes,
    );
    return wrap(fields.model.graph, concatBytes(parts));
  });
  return graphFromBytes(concatBytes(chunks));
}

function graphAttribute(name: string, graph: Uint8Array): Uint8Array {
  const head = writeFields((writer) => [
    writer.string(fields.attribute.name, name),
    writer.int(fields.attribute.type, 5),
  ]);
  const content = concatBytes([...head.map(({ bytes }) => bytes), wrap(fields.attribute.graph, graph)]);
  return wrap(fields.node.attribute, content);
}

function wrap(number: number, content: Uint8Array): Uint8Array {
  return concatBytes([writeHeader(number, content.length), content]);
}
