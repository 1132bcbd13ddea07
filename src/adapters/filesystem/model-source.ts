/**
 * The model repository in a folder: `<root>/<name>/<version>/model.onnx` and, optionally, `<root>/<name>/model.json` or, in Triton's
 * layout, `<root>/<name>/config.pbtxt`.
 * Made by the composition root, asked by the registry. It finds and describes; it never runs a model and never writes.
 * A root that does not exist is an empty repository.
 */
import { watch as watchFolder } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../ports/clock.ts';
import type { ModelEntry, ModelFile, ModelSource } from '../../ports/model-source.ts';
import { fileProblem, readDataFile } from './config-file.ts';
import { lookAt } from './fingerprint.ts';
import { FolderWatcher } from './folder-watcher.ts';
import { ModelDigest } from './model-digest.ts';
import { type ConfigParsers, isModelName, namesIn, readModelFolder } from './model-folder.ts';

/** `parseConfig` is `parseModelConfig` of config/model-config.ts, `triton` is made of config/triton. */
export interface FilesystemModelSourceOptions extends ConfigParsers {
  /** Path of the repository; need not exist yet. */
  readonly root: string;
  readonly clock: Clock;
  /** Quiet time before a changed model is reported. @default 200 */
  readonly settleMs?: number;
  /** Longest time until a change without a file-system event is seen. @default 10000 */
  readonly pollMs?: number;
}

/** Of an initial state or a warm-up input. */
const maxDataBytes = 256 * 2 ** 20;

export class FilesystemModelSource implements ModelSource {
  readonly #options: FilesystemModelSourceOptions;
  readonly #digests = new ModelDigest();

  constructor(options: FilesystemModelSourceOptions) {
    this.#options = options;
  }

  async list(): Promise<readonly ModelEntry[]> {
    const root = await this.#realRoot();
    if (root === undefined) return [];
    const names = (await namesIn(root)).filter(isModelName).sort();
    const entries = await Promise.all(names.map((name) => readModelFolder(root, name, this.#options)));
    return entries.filter((entry) => entry !== undefined && isModel(entry)) as ModelEntry[];
  }

  /** @param config Triton's configuration as JSON, in force instead of the files of the folder */
  async find(name: string, config?: object): Promise<ModelEntry | undefined> {
    if (!isModelName(name)) return undefined;
    const root = await this.#realRoot();
    return root === undefined ? undefined : readModelFolder(root, name, this.#options, config);
  }

  digest(file: ModelFile): Promise<string> {
    return this.#digests.digest(file.path);
  }

  async readFile(model: string, path: string): Promise<Uint8Array> {
    const root = await this.#realRoot();
    if (root === undefined || !isModelName(model)) throw fileProblem(`The file "${path}"`, 'is absent');
    return readDataFile(root, join(root, model), path, maxDataBytes, `The file "${path}"`);
  }

  watch(onChange: (names: readonly string[]) => void): () => void {
    const { root, clock, settleMs, pollMs } = this.#options;
    const watcher = new FolderWatcher({
      clock,
      look: () => lookAt(root),
      arm: (onEvent, onBroken) => armWatch(root, onEvent, onBroken),
      onChange,
      ...(settleMs === undefined ? {} : { settleMs }),
      ...(pollMs === undefined ? {} : { pollMs }),
    });
    return () => watcher.stop();
  }

  async #realRoot(): Promise<string | undefined> {
    try {
      return await realpath(this.#options.root);
    } catch {
      return undefined;
    }
  }
}

/** Any other folder beside the models (notes, data) is none; a broken model.json without versions is worth telling. */
function isModel(entry: ModelEntry): boolean {
  return entry.versions.length > 0 || entry.configError !== undefined || entry.triton !== undefined;
}

function armWatch(root: string, onEvent: () => void, onBroken: () => void): (() => void) | undefined {
  try {
    const watcher = watchFolder(root, { recursive: true, persistent: false }, onEvent);
    watcher.on('error', () => {
      watcher.close();
      onBroken();
    });
    return () => watcher.close();
  } catch {
    return undefined;
  }
}
