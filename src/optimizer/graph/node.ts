/**
 * One node of a graph: its operator, the values it takes and makes, and typed access to its attributes. Made by graph.ts, which
 * alone may rewire it; attributes may be set by any pass. Whatever was not changed is written back byte for byte.
 */
import { invalidInput } from '../../core/errors.ts';
import { writeAttribute, writeNode } from '../../onnx-file/encode.ts';
import type { Field } from '../../onnx-file/fields.ts';
import {
  concatBytes,
  contentOf,
  replaceFields,
  scanFields,
  textOf,
  walkFields,
  wrapFields,
  writeFields,
} from '../../onnx-file/fields.ts';
import type { Attribute, Node as NodeLiteral } from '../../onnx-file/model.ts';
import { fields } from '../../onnx-file/schema.ts';
import type { AttributeType } from './attribute.ts';
import { readFloats, readIntegers, readTexts, typeOfAttribute } from './attribute.ts';
import type { Constant } from './constant.ts';
import type { ExternalReader } from './external-files.ts';
import { noExternalFiles } from './external-files.ts';
import { readConstant } from './read-constant.ts';
import type { BodyNames } from './subgraphs.ts';
import { bodiesOf, bodyNames, renameInAttribute } from './subgraphs.ts';

const keys = fields.node;
const noBodies: BodyNames = { uses: new Set(), makes: new Set() };

export class Node {
  /** Often empty, and not always unique. */
  readonly name: string;
  readonly opType: string;
  /** '' for the standard operators; `ai.onnx` is read as that. */
  readonly domain: string;
  #inputs: readonly string[];
  #outputs: readonly string[];
  #message: Uint8Array;
  #attributes: Map<string, Uint8Array> | undefined;
  readonly #files: ExternalReader;
  #bodies: BodyNames;

  constructor(message: Uint8Array, files: ExternalReader = noExternalFiles) {
    const texts = { name: '', opType: '', domain: '' };
    const inputs: string[] = [];
    const outputs: string[] = [];
    let bodies = noBodies;
    for (const field of scanFields(message)) {
      if (field.number === keys.input) inputs.push(textOf(field));
      else if (field.number === keys.output) outputs.push(textOf(field));
      else if (field.number === keys.name) texts.name = textOf(field);
      else if (field.number === keys.opType) texts.opType = textOf(field);
      else if (field.number === keys.domain) texts.domain = textOf(field);
      else if (field.number === keys.attribute) {
        for (const body of bodiesOf(contentOf(field))) bodies = join(bodies, bodyNames(body, 1));
      }
    }
    this.name = texts.name;
    this.opType = texts.opType;
    this.domain = texts.domain === 'ai.onnx' ? '' : texts.domain;
    this.#inputs = inputs;
    this.#outputs = outputs;
    this.#message = message;
    this.#files = files;
    this.#bodies = bodies;
  }

  /** Value names; '' where an optional input is left out. */
  get inputs(): readonly string[] {
    return this.#inputs;
  }

  get outputs(): readonly string[] {
    return this.#outputs;
  }

  /** Names that its bodies (If, Loop, Scan) use from the graph around them, and those they make. */
  get bodies(): BodyNames {
    return this.#bodies;
  }

  /** The NodeProto without its tag. */
  get message(): Uint8Array {
    return this.#message;
  }

  get attributeNames(): string[] {
    return [...this.#table().keys()];
  }

  attributeType(name: string): AttributeType | undefined {
    const message = this.#table().get(name);
    return message === undefined ? undefined : typeOfAttribute(message);
  }

  int(name: string): number | undefined;
  int(name: string, fallback: number): number;
  int(name: string, fallback?: number): number | undefined {
    return this.#read(name, (message) => readIntegers(message, fields.attribute.int).at(-1)) ?? fallback;
  }

  ints(name: string): number[] | undefined;
  ints(name: string, fallback: readonly number[]): number[];
  ints(name: string, fallback?: readonly number[]): number[] | undefined {
    return this.#read(name, (message) => readIntegers(message, fields.attribute.ints)) ?? fallback?.slice();
  }

  float(name: string): number | undefined;
  float(name: string, fallback: number): number;
  float(name: string, fallback?: number): number | undefined {
    return this.#read(name, (message) => readFloats(message, fields.attribute.float).at(-1)) ?? fallback;
  }

  floats(name: string): number[] | undefined {
    return this.#read(name, (message) => readFloats(message, fields.attribute.floats));
  }

  text(name: string): string | undefined;
  text(name: string, fallback: string): string;
  text(name: string, fallback?: string): string | undefined {
    return this.#read(name, (message) => readTexts(message, fields.attribute.string).at(-1)) ?? fallback;
  }

  texts(name: string): string[] | undefined {
    return this.#read(name, (message) => readTexts(message, fields.attribute.strings));
  }

  /** A tensor attribute, such as the `value` of a Constant node. */
  tensor(name: string): Constant | undefined {
    return this.#read(name, (message) => {
      const field = scanFields(message).findLast(({ number }) => number === fields.attribute.tensor);
      return field === undefined ? undefined : readConstant(contentOf(field), this.#files);
    });
  }

  /** Sets or replaces one; the others keep their bytes. */
  setAttribute(name: string, attribute: Attribute): void {
    const [written] = writeFields((writer) =>
      writer.message(keys.attribute, (child) => writeAttribute(child, name, attribute)),
    );
    this.#replaceAttribute(name, written!);
  }

  removeAttribute(name: string): void {
    this.#replaceAttribute(name, undefined);
  }

  /** Only for graph.ts, which keeps the index of values: other callers use `replaceInput`, `rename` and the like. */
  rewire(inputs: readonly string[], outputs: readonly string[]): void {
    let list = scanFields(this.#message);
    if (!same(inputs, this.#inputs)) list = replaceFields(list, keys.input, written(keys.input, inputs));
    if (!same(outputs, this.#outputs)) list = replaceFields(list, keys.output, written(keys.output, outputs));
    this.#inputs = inputs;
    this.#outputs = outputs;
    this.#setMessage(list);
  }

  /** Only for graph.ts: as `rewire`, for what bodies use. */
  renameInBodies(from: string, to: string): void {
    const list = scanFields(this.#message).map((field) => {
      if (field.number !== keys.attribute || bodiesOf(field.payload).length === 0) return field;
      return nested(keys.attribute, renameInAttribute(field.payload, from, to));
    });
    const uses = new Set(this.#bodies.uses);
    if (uses.delete(from)) uses.add(to);
    this.#bodies = { ...this.#bodies, uses };
    this.#setMessage(list);
  }

  #read<T>(name: string, read: (message: Uint8Array) => T | undefined): T | undefined {
    const message = this.#table().get(name);
    if (message === undefined) return undefined;
    try {
      return read(message);
    } catch (error) {
      throw invalidInput(this.name, `Attribute "${name}" of ${describeNode(this)}: ${(error as Error).message}`);
    }
  }

  #table(): Map<string, Uint8Array> {
    if (this.#attributes === undefined) {
      this.#attributes = new Map();
      for (const field of scanFields(this.#message)) {
        if (field.number === keys.attribute) this.#attributes.set(attributeName(field.payload), field.payload);
      }
    }
    return this.#attributes;
  }

  #replaceAttribute(name: string, replacement: Field | undefined): void {
    const isIt = (field: Field): boolean => field.number === keys.attribute && attributeName(field.payload) === name;
    const list = scanFields(this.#message);
    const at = list.findIndex(isIt);
    const rest = list.filter((field) => !isIt(field));
    if (replacement !== undefined) rest.splice(at < 0 ? rest.length : at, 0, replacement);
    if (at >= 0 && bodiesOf(list[at]!.payload).length > 0) {
      throw invalidInput(this.name, `Attribute "${name}" of ${describeNode(this)} is a graph, which stays as it is.`);
    }
    this.#setMessage(rest);
  }

  #setMessage(list: readonly Field[]): void {
    this.#message = concatBytes(list.map((field) => field.bytes));
    this.#attributes = undefined;
  }
}

/** `node "conv1" (Conv)`, or by what it makes where it has no name. */
export function describeNode(node: Pick<Node, 'name' | 'opType' | 'outputs'>): string {
  if (node.name !== '') return `node "${node.name}" (${node.opType})`;
  return `the ${node.opType} node that makes "${node.outputs.find((output) => output !== '') ?? ''}"`;
}

export function newNode(literal: NodeLiteral): Node {
  const [field] = writeFields((writer) => writer.message(fields.graph.node, (child) => writeNode(child, literal)));
  return new Node(field!.payload);
}

function attributeName(message: Uint8Array): string {
  let name = '';
  walkFields(message, (number, wireType, start, _, end) => {
    if (number === fields.attribute.name && wireType === 2) name = textOf(scanFields(message.subarray(start, end))[0]!);
  });
  return name;
}

function written(key: number, texts: readonly string[]): Field[] {
  return writeFields((writer) => {
    for (const text of texts) writer.string(key, text);
  });
}

function nested(key: number, list: readonly Field[]): Field {
  return scanFields(concatBytes(wrapFields(key, list)))[0]!;
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, index) => text === b[index]);
}

function join(a: BodyNames, b: BodyNames): BodyNames {
  return { uses: new Set([...a.uses, ...b.uses]), makes: new Set([...a.makes, ...b.makes]) };
}
