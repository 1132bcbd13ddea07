/**
 * Model files and bytes as graphs. Called by the commands of the optimizer. The file is only read; its constants stay views of
 * one buffer, those in other files are read when asked for.
 */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { HotpathError, invalidInput } from '../../core/errors.ts';
import { externalFiles, readRange } from './external-files.ts';
import { Graph } from './graph.ts';

const mostProblems = 20;

export interface LoadOptions {
  /** Whether a damaged graph (cycles, dangling values, no opset) is refused. @default true */
  readonly check?: boolean;
}

/** @throws INVALID_INPUT: no file, no model, a damaged graph, external data that is missing or outside the model's folder */
export function loadModel(path: string, { check = true }: LoadOptions = {}): Graph {
  const graph = new Graph(readModelFile(path), externalFiles(dirname(path), path));
  return check ? graph.check() : graph;
}

/** @param folder where external data may lie; without it such models are refused. @throws INVALID_INPUT as `loadModel` */
export function graphFromBytes(
  bytes: Uint8Array,
  { check = true, folder }: LoadOptions & { readonly folder?: string } = {},
): Graph {
  const graph = new Graph(bytes, folder === undefined ? undefined : externalFiles(folder));
  return check ? graph.check() : graph;
}

/** A graph with what could be read of a damaged file, and what was wrong. For looking, not for saving. */
export function loadDamaged(path: string): { readonly graph: Graph; readonly problems: readonly string[] } {
  const problems: string[] = [];
  const graph = new Graph(readModelFile(path), externalFiles(dirname(path), path), (error) => {
    if (problems.length < mostProblems) problems.push((error as Error).message);
  });
  return { graph, problems: [...problems, ...graph.problems()] };
}

/** In pieces: `readFile` refuses more than 2 GiB. */
function readModelFile(path: string): Uint8Array {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new HotpathError('INVALID_INPUT', `The model file cannot be opened (${code}).`, { field: 'model' });
  }
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isFile()) throw invalidInput('model', 'The model is no file.');
    return readRange(descriptor, 0, stat.size);
  } finally {
    closeSync(descriptor);
  }
}
