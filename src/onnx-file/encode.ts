/** An OnnxModel as the bytes of an .onnx file. Called by generators and editors of models; pure, the same model gives the same bytes. */
import type { Attribute, Graph, Node, OnnxModel, TensorLiteral, ValueInfo } from './model.ts';
import { attributeTypes, elementTypes, fields } from './schema.ts';
import { WireWriter } from './wire-writer.ts';

/**
 * The bytes of `model.onnx`. Protobuf readers stop at 2 GiB.
 * @throws INVALID_INPUT for a number that is no safe integer where the format wants an integer.
 */
export function encodeModel(model: OnnxModel): Uint8Array<ArrayBuffer> {
  const writer = new WireWriter();
  writer.int(fields.model.irVersion, model.irVersion);
  writer.string(fields.model.producerName, model.producer);
  writer.message(fields.model.graph, (child) => writeGraph(child, model.graph));
  for (const { domain, version } of model.opsets) {
    writer.message(fields.model.opsetImport, (child) => {
      child.string(fields.opset.domain, domain);
      child.int(fields.opset.version, version);
    });
  }
  return writer.finish();
}

function writeGraph(writer: WireWriter, graph: Graph): void {
  for (const node of graph.nodes) writer.message(fields.graph.node, (child) => writeNode(child, node));
  writer.string(fields.graph.name, graph.name);
  for (const literal of graph.initializers) {
    writer.message(fields.graph.initializer, (child) => writeTensor(child, literal));
  }
  for (const info of graph.inputs) writer.message(fields.graph.input, (child) => writeValueInfo(child, info));
  for (const info of graph.outputs) writer.message(fields.graph.output, (child) => writeValueInfo(child, info));
}

export function writeNode(writer: WireWriter, node: Node): void {
  for (const input of node.inputs) writer.string(fields.node.input, input);
  for (const output of node.outputs) writer.string(fields.node.output, output);
  writer.string(fields.node.name, node.name);
  writer.string(fields.node.opType, node.opType);
  for (const [name, attribute] of Object.entries(node.attributes)) {
    writer.message(fields.node.attribute, (child) => writeAttribute(child, name, attribute));
  }
  writer.string(fields.node.domain, node.domain);
}

export function writeAttribute(writer: WireWriter, name: string, attribute: Attribute): void {
  const field = fields.attribute[attribute.type];
  writer.string(fields.attribute.name, name);
  if (attribute.type === 'float') writer.float(field, attribute.value);
  else if (attribute.type === 'int') writer.int(field, attribute.value);
  else if (attribute.type === 'string') writer.string(field, attribute.value);
  else if (attribute.type === 'floats') writer.packedFloats(field, attribute.value);
  else if (attribute.type === 'ints') writer.packedInts(field, attribute.value);
  else if (attribute.type === 'strings') for (const text of attribute.value) writer.string(field, text);
  else writer.message(field, (child) => writeTensor(child, attribute.value));
  writer.int(fields.attribute.type, attributeTypes[attribute.type]);
}

export function writeTensor(writer: WireWriter, literal: TensorLiteral): void {
  writer.packedInts(fields.tensor.dims, literal.dims);
  writer.int(fields.tensor.dataType, elementTypes[literal.datatype]);
  writer.string(fields.tensor.name, literal.name);
  writer.bytes(fields.tensor.rawData, literal.raw);
}

export function writeValueInfo(writer: WireWriter, info: ValueInfo): void {
  writer.string(fields.valueInfo.name, info.name);
  writer.message(fields.valueInfo.type, (type) => {
    type.message(fields.type.tensor, (tensorType) => {
      tensorType.int(fields.tensorType.elemType, elementTypes[info.datatype]);
      tensorType.message(fields.tensorType.shape, (shape) => {
        for (const dim of info.dims) shape.message(fields.shape.dim, (child) => writeDim(child, dim));
      });
    });
  });
}

function writeDim(writer: WireWriter, dim: number | string): void {
  if (typeof dim === 'string') writer.string(fields.dim.param, dim);
  else writer.int(fields.dim.value, dim);
}
