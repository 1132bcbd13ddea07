/**
 * What the bodies of If, Loop and Scan take from the graph around them. Called by node.ts and by renaming; bodies are otherwise
 * left alone, byte for byte. Must not recurse without bound: nesting deeper than the limit is refused.
 */
import { HotpathError } from '../../core/errors.ts';
import type { Field } from '../../onnx-file/fields.ts';
import {
  concatBytes,
  contentOf,
  scanFields,
  textOf,
  walkFields,
  wrapFields,
  writeFields,
} from '../../onnx-file/fields.ts';
import { fields } from '../../onnx-file/schema.ts';

/** Protobuf readers in C++ stop at 100 messages; a body is three of them. */
const deepestNesting = 32;

const graphKeys = fields.graph;
const nodeKeys = fields.node;
const attributeKeys = fields.attribute;

export interface BodyNames {
  /** Names that are used inside and not made there. */
  readonly uses: ReadonlySet<string>;
  /** All names that are made inside: not free for new values. */
  readonly makes: ReadonlySet<string>;
}

export function checkDepth(depth: number): void {
  if (depth > deepestNesting) {
    throw new HotpathError('INVALID_INPUT', `The model nests graphs more than ${deepestNesting} deep.`);
  }
}

/** The GraphProtos inside an AttributeProto. */
export function bodiesOf(attribute: Uint8Array): Uint8Array[] {
  const bodies: Uint8Array[] = [];
  walkFields(attribute, (number, wireType, _, payloadStart, end) => {
    const isGraph = number === attributeKeys.graph || number === attributeKeys.graphs;
    if (isGraph && wireType === 2) bodies.push(attribute.subarray(payloadStart, end));
  });
  return bodies;
}

export function bodyNames(body: Uint8Array, depth: number): BodyNames {
  checkDepth(depth);
  const own = new Set<string>();
  const inner = new Set<string>();
  const uses = new Set<string>();
  for (const field of scanFields(body)) {
    if (field.number === graphKeys.node) nodeNames(contentOf(field), { uses, own, inner }, depth);
    else if (field.number === graphKeys.initializer) addName(contentOf(field), fields.tensor.name, own);
    else if (field.number === graphKeys.input) addName(contentOf(field), fields.valueInfo.name, own);
    // A body may give out a value of the graph around it.
    else if (field.number === graphKeys.output) addName(contentOf(field), fields.valueInfo.name, uses);
    else if (field.number === graphKeys.sparseInitializer) sparseName(contentOf(field), own);
  }
  return { uses: new Set([...uses].filter((name) => !own.has(name))), makes: new Set([...own, ...inner]) };
}

/** `own` are made by this body, `inner` by bodies inside of it, which this one cannot see. */
interface FoundNames {
  readonly uses: Set<string>;
  readonly own: Set<string>;
  readonly inner: Set<string>;
}

function nodeNames(node: Uint8Array, { uses, own, inner }: FoundNames, depth: number): void {
  for (const field of scanFields(node)) {
    if (field.number === nodeKeys.input) uses.add(textOf(field));
    else if (field.number === nodeKeys.output) own.add(textOf(field));
    else if (field.number === nodeKeys.attribute) {
      for (const body of bodiesOf(contentOf(field))) {
        const names = bodyNames(body, depth + 1);
        for (const name of names.uses) uses.add(name);
        for (const name of names.makes) inner.add(name);
      }
    }
  }
}

function addName(message: Uint8Array, key: number, names: Set<string>): void {
  for (const field of scanFields(message)) if (field.number === key) names.add(textOf(field));
}

function sparseName(message: Uint8Array, names: Set<string>): void {
  for (const field of scanFields(message)) {
    if (field.number === fields.sparseTensor.values) addName(contentOf(field), fields.tensor.name, names);
  }
}

/** An AttributeProto with every use of the outer value `from` in its bodies called `to`; all else stays as it is. */
export function renameInAttribute(attribute: Uint8Array, from: string, to: string): Field[] {
  return scanFields(attribute).map((field) => {
    const isGraph = field.number === attributeKeys.graph || field.number === attributeKeys.graphs;
    if (!isGraph || !bodyNames(field.payload, 1).uses.has(from)) return field;
    return nest(field.number, renameInBody(field.payload, from, to));
  });
}

function renameInBody(body: Uint8Array, from: string, to: string): Field[] {
  return scanFields(body).map((field) => {
    if (field.number === graphKeys.node) return nest(field.number, renameInNode(field.payload, from, to));
    if (field.number !== graphKeys.output) return field;
    return nest(field.number, renameTexts(scanFields(field.payload), fields.valueInfo.name, from, to));
  });
}

function renameInNode(node: Uint8Array, from: string, to: string): Field[] {
  return renameTexts(scanFields(node), nodeKeys.input, from, to).map((field) =>
    field.number === nodeKeys.attribute ? nest(field.number, renameInAttribute(field.payload, from, to)) : field,
  );
}

function renameTexts(list: readonly Field[], key: number, from: string, to: string): Field[] {
  return list.map((field) =>
    field.number === key && textOf(field) === from ? writeFields((writer) => writer.string(key, to))[0]! : field,
  );
}

function nest(number: number, content: readonly Field[]): Field {
  return scanFields(concatBytes(wrapFields(number, content)))[0]!;
}
