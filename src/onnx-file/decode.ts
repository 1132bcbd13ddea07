/**
 * The bytes of an .onnx file as an OnnxModel: the part of the format that encode.ts writes. Called by tests and by tools
 * that look into generated models. Fields it does not know are skipped, so this is no way to rewrite foreign models.
 */
import { HotpathError } from '../core/errors.ts';
import type { Attribute, Graph, Node, OnnxModel, Opset, TensorLiteral, ValueInfo } from './model.ts';
import { attributeTypes, elementTypes, fields } from './schema.ts';
import { readMessage } from './wire-reader.ts';

type Draft<T> = { -readonly [Key in keyof T]: T[Key] };

/** @throws INVALID_INPUT when the bytes are no protobuf, or use types that Hotpath does not write. */
export function decodeModel(bytes: Uint8Array): OnnxModel {
  const model: Draft<OnnxModel> = { irVersion: 0, producer: '', opsets: [], graph: readGraph(new Uint8Array()) };
  const opsets: Opset[] = [];
  readMessage(bytes, (field, reader) => {
    if (field === fields.model.irVersion) model.irVersion = reader.number();
    else if (field === fields.model.producerName) model.producer = reader.string();
    else if (field === fields.model.graph) model.graph = readGraph(reader.bytes());
    else if (field === fields.model.opsetImport) opsets.push(readOpset(reader.bytes()));
  });
  return { ...model, opsets };
}

function readOpset(bytes: Uint8Array): Opset {
  const opset: Draft<Opset> = { domain: '', version: 0 };
  readMessage(bytes, (field, reader) => {
    if (field === fields.opset.domain) opset.domain = reader.string();
    else if (field === fields.opset.version) opset.version = reader.number();
  });
  return opset;
}

function readGraph(bytes: Uint8Array): Graph {
  let name = '';
  const nodes: Node[] = [];
  const initializers: TensorLiteral[] = [];
  const inputs: ValueInfo[] = [];
  const outputs: ValueInfo[] = [];
  readMessage(bytes, (field, reader) => {
    if (field === fields.graph.name) name = reader.string();
    else if (field === fields.graph.node) nodes.push(readNode(reader.bytes()));
    else if (field === fields.graph.initializer) initializers.push(readTensor(reader.bytes()));
    else if (field === fields.graph.input) inputs.push(readValueInfo(reader.bytes()));
    else if (field === fields.graph.output) outputs.push(readValueInfo(reader.bytes()));
  });
  return { name, nodes, initializers, inputs, outputs };
}

function readNode(bytes: Uint8Array): Node {
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes: [string, Attribute][] = [];
  const texts = { name: '', opType: '', domain: '' };
  readMessage(bytes, (field, reader) => {
    if (field === fields.node.input) inputs.push(reader.string());
    else if (field === fields.node.output) outputs.push(reader.string());
    else if (field === fields.node.name) texts.name = reader.string();
    else if (field === fields.node.opType) texts.opType = reader.string();
    else if (field === fields.node.domain) texts.domain = reader.string();
    else if (field === fields.node.attribute) attributes.push(readAttribute(reader.bytes()));
  });
  return { ...texts, inputs, outputs, attributes: Object.fromEntries(attributes) };
}

export function readAttribute(bytes: Uint8Array): [string, Attribute] {
  let name = '';
  let typeNumber = 0;
  const floats: number[] = [];
  const ints: (number | bigint)[] = [];
  const strings: string[] = [];
  const single: { float: number; int: number | bigint; string: string; tensor?: TensorLiteral } = {
    float: 0,
    int: 0,
    string: '',
  };
  readMessage(bytes, (field, reader) => {
    if (field === fields.attribute.name) name = reader.string();
    else if (field === fields.attribute.type) typeNumber = reader.number();
    else if (field === fields.attribute.float) single.float = reader.float();
    else if (field === fields.attribute.int) single.int = reader.int();
    else if (field === fields.attribute.string) single.string = reader.string();
    else if (field === fields.attribute.tensor) single.tensor = readTensor(reader.bytes());
    else if (field === fields.attribute.floats) reader.floatsInto(floats);
    else if (field === fields.attribute.ints) reader.intsInto(ints);
    else if (field === fields.attribute.strings) strings.push(reader.string());
  });
  const type = nameOf(attributeTypes, typeNumber, `attribute ${name}`);
  const value = { ...single, floats, ints, strings }[type];
  if (value === undefined) throw unsupported(`attribute ${name}`, 'no value');
  return [name, { type, value } as Attribute];
}

function readTensor(bytes: Uint8Array): TensorLiteral {
  const dims: (number | bigint)[] = [];
  let name = '';
  let typeNumber = 0;
  let raw = new Uint8Array();
  readMessage(bytes, (field, reader) => {
    if (field === fields.tensor.dims) reader.intsInto(dims);
    else if (field === fields.tensor.dataType) typeNumber = reader.number();
    else if (field === fields.tensor.name) name = reader.string();
    else if (field === fields.tensor.rawData) raw = reader.bytes() as Uint8Array<ArrayBuffer>;
  });
  const datatype = nameOf(elementTypes, typeNumber, `tensor ${name}`);
  if (datatype === 'string') throw unsupported(`tensor ${name}`, 'strings');
  return { name, datatype, dims: dims.map(Number), raw };
}

function readValueInfo(bytes: Uint8Array): ValueInfo {
  let name = '';
  let typeNumber = 0;
  const dims: (number | string)[] = [];
  readMessage(bytes, (field, reader) => {
    if (field === fields.valueInfo.name) name = reader.string();
    if (field !== fields.valueInfo.type) return;
    readMessage(reader.bytes(), (typeField, type) => {
      if (typeField !== fields.type.tensor) return;
      readMessage(type.bytes(), (tensorField, tensorType) => {
        if (tensorField === fields.tensorType.elemType) typeNumber = tensorType.number();
        else if (tensorField === fields.tensorType.shape) dims.push(...readShape(tensorType.bytes()));
      });
    });
  });
  return { name, datatype: nameOf(elementTypes, typeNumber, `value ${name}`), dims };
}

function readShape(bytes: Uint8Array): (number | string)[] {
  const dims: (number | string)[] = [];
  readMessage(bytes, (field, reader) => {
    if (field !== fields.shape.dim) return;
    let dim: number | string = '';
    readMessage(reader.bytes(), (dimField, dimReader) => {
      if (dimField === fields.dim.value) dim = dimReader.number();
      else if (dimField === fields.dim.param) dim = dimReader.string();
    });
    dims.push(dim);
  });
  return dims;
}

function nameOf<T extends string>(names: Readonly<Record<T, number>>, wanted: number, what: string): T {
  for (const name in names) if (names[name] === wanted) return name;
  throw unsupported(what, `type ${wanted}`);
}

function unsupported(what: string, found: string): HotpathError {
  return new HotpathError('INVALID_INPUT', `The model file has ${found} in ${what}, which this reader does not know.`);
}
