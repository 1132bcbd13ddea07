/**
 * A model file taken apart into what passes edit (nodes, constants, values) and what is only carried along, and put together
 * again. Called by graph.ts. Whatever was not edited is a view of the original bytes in both directions.
 */
import type { Field } from '../../onnx-file/fields.ts';
import { contentOf, malformed, scanDamaged, scanFields, writeHeader } from '../../onnx-file/fields.ts';
import { fields } from '../../onnx-file/schema.ts';
import { Constant } from './constant.ts';
import type { ExternalReader } from './external-files.ts';
import { Node } from './node.ts';
import { readConstant } from './read-constant.ts';
import { ValueEntry } from './value-entry.ts';
import { weave } from './weave.ts';

const keys = fields.graph;

/** Bytes, or a function that makes them when their turn comes, with their number. */
export type Chunk = Uint8Array | { readonly byteLength: number; readonly read: () => Uint8Array };

type Item = Field | Node | Constant | ValueEntry;

/** What the graph edits, each list in its order. */
export interface GraphLists {
  readonly nodes: readonly Node[];
  readonly initializers: readonly Constant[];
  readonly inputs: readonly ValueEntry[];
  readonly outputs: readonly ValueEntry[];
  readonly valueInfos: readonly ValueEntry[];
}

export type OnProblem = (error: unknown) => void;

export interface ModelDocument extends GraphLists {
  /** Fields of the ModelProto; the one of the graph only marks its place. */
  readonly modelFields: readonly Field[];
  /** Everything in the GraphProto, in the order of the file. */
  readonly layout: readonly Item[];
  /** Fields as they were read, for items that were not edited: tags in odd encodings stay as they are. */
  readonly original: ReadonlyMap<Item, Field>;
  /** What took the place of a constant or value that was replaced or renamed: it stands where that one stood. */
  readonly successors: Map<Item, Item>;
  /** Names of initializers that come again; only the first is an item, the others are carried along. */
  readonly initializersTwice: readonly string[];
}

/**
 * @param onProblem for looking into damaged files: gets told, and what cannot be read is only carried along
 * @throws INVALID_INPUT naming what cannot be read
 */
export function takeApart(bytes: Uint8Array, files: ExternalReader, onProblem?: OnProblem): ModelDocument {
  const scan = (message: Uint8Array) =>
    onProblem === undefined ? scanFields(message) : scanDamaged(message, onProblem);
  const modelFields = scan(bytes);
  const graphs = modelFields.filter(({ number }) => number === fields.model.graph);
  if (graphs.length !== 1) throw malformed(`it has ${graphs.length === 0 ? 'no graph' : 'more than one graph'}`);
  const lists: MutableLists = { nodes: [], initializers: [], inputs: [], outputs: [], valueInfos: [] };
  const original = new Map<Item, Field>();
  const seen = { initializers: new Set<string>(), valueInfos: new Set<string>() };
  const initializersTwice: string[] = [];
  const layout = scan(contentOf(graphs[0]!)).map((field): Item => {
    const item = readItem(field, files, onProblem);
    if (item === field) return field;
    const kind = kindOf(field.number)!;
    if (kind === 'initializers' || kind === 'valueInfos') {
      const { name } = item as Constant | ValueEntry;
      if (seen[kind].has(name)) {
        if (kind === 'initializers') initializersTwice.push(name);
        return field;
      }
      seen[kind].add(name);
    }
    (lists[kind] as Item[]).push(item);
    original.set(item, field);
    return item;
  });
  return { modelFields, layout, original, successors: new Map(), initializersTwice, ...lists };
}

type MutableLists = { -readonly [Key in keyof GraphLists]: GraphLists[Key][number][] };

const listByField: Readonly<Record<number, keyof GraphLists>> = {
  [keys.node]: 'nodes',
  [keys.initializer]: 'initializers',
  [keys.input]: 'inputs',
  [keys.output]: 'outputs',
  [keys.valueInfo]: 'valueInfos',
};

const kindOf = (number: number): keyof GraphLists | undefined => listByField[number];

function readItem(field: Field, files: ExternalReader, onProblem?: OnProblem): Item {
  const kind = kindOf(field.number);
  if (kind === undefined) return field;
  try {
    const content = contentOf(field);
    if (kind === 'nodes') return new Node(content, files);
    return kind === 'initializers' ? readConstant(content, files) : new ValueEntry(content);
  } catch (error) {
    if (onProblem === undefined) throw error;
    onProblem(error);
    return field;
  }
}

/** How a constant is written, where not as it is: into another file. */
export type ConstantWriter = (constant: Constant) => readonly Chunk[] | undefined;

/** The model as chunks, in file order. Their sum may pass 2 GiB; the caller decides whether that may be. */
export function putTogether(
  document: Pick<ModelDocument, 'modelFields' | 'layout' | 'original' | 'successors'>,
  lists: GraphLists,
  writeConstant: ConstantWriter = () => undefined,
): Chunk[] {
  const numbers = new Map<Item, number>();
  const name = (number: number, items: readonly Item[]) => {
    for (const item of items) numbers.set(item, number);
    return items;
  };
  const ordered = weave<Item>(
    currentLayout(document),
    [
      name(keys.node, lists.nodes),
      name(keys.initializer, lists.initializers),
      name(keys.input, lists.inputs),
      name(keys.output, lists.outputs),
      name(keys.valueInfo, lists.valueInfos),
    ],
    (item) => !('wireType' in item),
  );
  const graph = ordered.flatMap((item) => chunksOf(item, numbers, document.original, writeConstant));
  return document.modelFields.flatMap((field) => {
    if (field.number !== fields.model.graph) return [field.bytes];
    const length = lengthOf(graph);
    // A length that is the old one is written as it was.
    const header =
      length === field.payload.length
        ? field.bytes.subarray(0, field.bytes.length - length)
        : writeHeader(fields.model.graph, length);
    return [header, ...graph];
  });
}

function currentLayout({ layout, successors }: Pick<ModelDocument, 'layout' | 'successors'>): readonly Item[] {
  if (successors.size === 0) return layout;
  return layout.map((item) => {
    for (let next = successors.get(item); next !== undefined; next = successors.get(item)) item = next;
    return item;
  });
}

/** An independent document: nodes are copied, what is immutable is shared. */
export function copyDocument(document: ModelDocument, lists: GraphLists, files: ExternalReader): ModelDocument {
  const original = new Map<Item, Field>();
  const copies = new Map<Item, Node>();
  for (const node of lists.nodes) {
    const copy = new Node(node.message, files);
    const field = document.original.get(node);
    // Only while the message is the one of the file: chunksOf compares them.
    if (field !== undefined) original.set(copy, field);
    copies.set(node, copy);
  }
  for (const [item, field] of document.original) if (!(item instanceof Node)) original.set(item, field);
  const layout = currentLayout(document).map((item) => copies.get(item) ?? item);
  return {
    ...document,
    ...lists,
    successors: new Map(),
    nodes: lists.nodes.map((node) => copies.get(node)!),
    layout,
    original,
  };
}

function chunksOf(
  item: Item,
  numbers: ReadonlyMap<Item, number>,
  original: ReadonlyMap<Item, Field>,
  writeConstant: ConstantWriter,
): readonly Chunk[] {
  const field = original.get(item);
  if (item instanceof Constant) {
    const elsewhere = writeConstant(item);
    if (elsewhere === undefined && field !== undefined) return [field.bytes];
    const content = elsewhere ?? item.chunks();
    return [writeHeader(keys.initializer, lengthOf(content)), ...content];
  }
  if (item instanceof Node || item instanceof ValueEntry) {
    if (field !== undefined && item.message === field.payload) return [field.bytes];
    return [writeHeader(numbers.get(item)!, item.message.length), item.message];
  }
  return [item.bytes];
}

export function lengthOf(chunks: readonly Chunk[]): number {
  let bytes = 0;
  for (const chunk of chunks) bytes += chunk.byteLength;
  return bytes;
}
