/**
 * Where finished variants wait, so that an interrupted run goes on where it stopped: `<out>/.work/<key>/<variant>/`. The key is a digest of
 * the model, the data and every setting that changes a variant, so what lies there always fits. Called by optimize.ts.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Graph } from '../graph/graph.ts';
import type { CheckedVariant } from './result.ts';

export class WorkFolder {
  readonly path: string;

  /** @param parts whatever changes the variants */
  constructor(outFolder: string, parts: readonly unknown[]) {
    const key = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
    this.path = join(outFolder, '.work', key);
  }

  modelPath(id: string): string {
    return join(this.path, id, 'model.onnx');
  }

  /** What an earlier run found out of a variant; undefined when it did not finish it. */
  async finished(id: string): Promise<CheckedVariant | undefined> {
    try {
      const checked = JSON.parse(await readFile(join(this.path, id, 'checked.json'), 'utf8')) as CheckedVariant;
      await stat(this.modelPath(id));
      return checked;
    } catch {
      return undefined;
    }
  }

  /** An empty folder for the variant. */
  async begin(id: string): Promise<string> {
    const folder = join(this.path, id);
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    return this.modelPath(id);
  }

  /** The last thing that is written of a variant: without it the variant counts as unfinished. */
  async finish(checked: CheckedVariant): Promise<void> {
    const path = join(this.path, checked.id, 'checked.json');
    await writeFile(`${path}.tmp`, JSON.stringify(checked));
    await rename(`${path}.tmp`, path);
  }
}

/** SHA-256 of the file; of data in other files, which may be huge, name, size and time. */
export async function digestModel(path: string, graph: Graph): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash, { end: false });
  const locations = new Set(
    graph.initializers.flatMap(({ external }) => (external === undefined ? [] : [external.location])),
  );
  for (const location of locations) {
    const { size, mtimeMs } = await stat(join(dirname(path), location));
    hash.update(`${location} ${size} ${mtimeMs}`);
  }
  return hash.digest('hex');
}
