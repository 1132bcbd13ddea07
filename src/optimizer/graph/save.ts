/**
 * Graphs as model files. Called by the commands of the optimizer. Writes under temporary names and renames when all is on the
 * disk, so that nothing half-written is ever found; never writes over the file a graph was loaded from, nor over its data.
 * Constants go through one after the other: a model of many gigabytes is never in memory as a whole.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, realpathSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { invalidInput } from '../../core/errors.ts';
import { writeFields } from '../../onnx-file/fields.ts';
import { fields } from '../../onnx-file/schema.ts';
import type { Constant } from './constant.ts';
import type { Graph } from './graph.ts';
import type { Chunk, ConstantWriter } from './graph-document.ts';
import { lengthOf } from './graph-document.ts';

export interface SaveOptions {
  /** Big constants in a second file beside the model. @default when they are over 200 MB, or were in another file already */
  readonly external?: boolean;
  /** Constants below this stay in the model file. @default 1024 */
  readonly externalFromBytes?: number;
}

export interface SavedModel {
  readonly modelBytes: number;
  /** 0 without a data file. */
  readonly dataBytes: number;
  /** Name of the data file beside the model, `<model>.data` where that is free. */
  readonly dataFile: string | undefined;
}

const externalAboveBytes = 200_000_000;
/** What readers of protobuf take. */
const mostModelBytes = 2 ** 31 - 1;
/** Data of each tensor starts at a multiple, so that it can be mapped. */
const alignmentBytes = 4096;
const pieceBytes = 32 * 2 ** 20;
const gatherBytes = 2 ** 18;

/**
 * @throws INVALID_INPUT for a damaged graph, for the path the graph came from, and for a model over 2 GiB without a data file.
 * Errors of the file system come as they are, after what was written is removed.
 */
export function saveModel(graph: Graph, path: string, options: SaveOptions = {}): SavedModel {
  graph.check();
  if (graph.origin !== undefined && isSameFile(graph.origin, path)) {
    throw invalidInput('path', 'The model would be written over its original: give another path.');
  }
  const hasFiles = graph.initializers.some(({ storage }) => storage === 'external');
  const { external = hasFiles || constantBytes(graph) > externalAboveBytes, externalFromBytes = 1024 } = options;
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const data = external ? placeData(graph, `${path}.data`, externalFromBytes) : undefined;
  const chunks = graph.chunks(data === undefined ? inline : (constant) => externalTensor(constant, data));
  const modelBytes = lengthOf(chunks);
  if (modelBytes > mostModelBytes) {
    throw invalidInput(
      'model',
      `The model has ${modelBytes} bytes, and a model file ends at 2 GiB: save it with external data.`,
    );
  }
  const temporaryData = `${temporary}.data`;
  try {
    if (data !== undefined) writeFile(temporaryData, dataChunks(data));
    writeFile(temporary, chunks);
    // The data first: a model that is there always finds it.
    if (data !== undefined) renameSync(temporaryData, join(dirname(path), data.name));
    renameSync(temporary, path);
  } finally {
    for (const leftover of [temporary, temporaryData]) rmSync(leftover, { force: true });
  }
  return { modelBytes, dataBytes: data?.bytes ?? 0, dataFile: data?.name };
}

function constantBytes(graph: Graph): number {
  return graph.initializers.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

function isSameFile(one: string, other: string): boolean {
  return existsSync(other) && realpathSync(one) === realpathSync(other);
}

/** Which constant goes where in the data file. */
interface DataPlan {
  readonly name: string;
  readonly offsets: ReadonlyMap<Constant, number>;
  readonly bytes: number;
}

function placeData(graph: Graph, wanted: string, fromBytes: number): DataPlan {
  // A name that is free: somebody else's weights, or those of the model that is replaced, must not change under it.
  let path = wanted;
  for (let count = 1; existsSync(path); count++) path = wanted.replace(/\.data$/, `.${count}.data`);
  const offsets = new Map<Constant, number>();
  let bytes = 0;
  for (const constant of graph.initializers) {
    if (constant.datatype === 'string' || constant.byteLength < fromBytes) continue;
    const offset = Math.ceil(bytes / alignmentBytes) * alignmentBytes;
    offsets.set(constant, offset);
    bytes = offset + constant.byteLength;
  }
  return { name: basename(path), offsets, bytes };
}

function externalTensor(constant: Constant, { name, offsets }: DataPlan): readonly Chunk[] | undefined {
  const offset = offsets.get(constant);
  if (offset === undefined) return inline(constant);
  const entries = { location: name, offset: String(offset), length: String(constant.byteLength) };
  const place = writeFields((writer) => {
    for (const [key, value] of Object.entries(entries)) {
      writer.message(fields.tensor.externalData, (entry) => {
        entry.string(fields.entry.key, key);
        entry.string(fields.entry.value, value);
      });
    }
    writer.int(fields.tensor.dataLocation, 1);
  });
  return [constant.head(), ...place.map((field) => field.bytes)];
}

/** Constants that lie in another file come into the model; all others stay as they are. */
const inline: ConstantWriter = (constant) => (constant.storage === 'external' ? constant.inlined() : undefined);

function* dataChunks({ offsets }: DataPlan): Iterable<Uint8Array> {
  let written = 0;
  for (const [constant, offset] of offsets) {
    if (offset > written) yield new Uint8Array(offset - written);
    yield* constant.pieces(pieceBytes);
    written = offset + constant.byteLength;
  }
}

/** New and complete on the disk, or an error. */
function writeFile(path: string, chunks: Iterable<Chunk>): void {
  const descriptor = openSync(path, 'wx');
  try {
    for (const piece of gather(chunks)) {
      for (let done = 0; done < piece.length; ) {
        done += writeSync(descriptor, piece, done, Math.min(pieceBytes, piece.length - done));
      }
    }
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Small chunks joined to pieces worth a system call; big ones as they are, made when their turn comes. */
function* gather(chunks: Iterable<Chunk>): Iterable<Uint8Array> {
  let joined = new Uint8Array(gatherBytes);
  let used = 0;
  for (const chunk of chunks) {
    const bytes = chunk instanceof Uint8Array ? chunk : chunk.read();
    if (used + bytes.length > gatherBytes) {
      yield joined.subarray(0, used);
      joined = new Uint8Array(gatherBytes);
      used = 0;
    }
    if (bytes.length > gatherBytes) yield bytes;
    else {
      joined.set(bytes, used);
      used += bytes.length;
    }
  }
  yield joined.subarray(0, used);
}
