/** A temporary model repository for one bench run, and the right answers of every model, computed in this process. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModelConfig } from '../src/ports/model-source.ts';
import { storeModel } from '../src/training/store-model.ts';
import { openModel } from './peers/model-outputs.ts';

export interface BenchModel {
  readonly name: string;
  /** Absolute path of model.onnx. */
  readonly path: string;
  /** Shape of one row without the batch axis. */
  readonly rowShape: readonly number[];
  readonly rows: readonly BenchRow[];
}

export interface BenchRow {
  readonly input: Float32Array;
  /** Values of each tensor output for this row alone, in the order of the model's outputs. */
  readonly outputs: readonly (readonly number[])[];
}

export class Workspace {
  readonly modelsDir: string;

  private constructor(modelsDir: string) {
    this.modelsDir = modelsDir;
  }

  static async create(): Promise<Workspace> {
    return new Workspace(await mkdtemp(join(tmpdir(), 'hotpath-bench-')));
  }

  /** Stores the model and runs every row alone through a session of one thread. */
  async addModel(
    name: string,
    bytes: Uint8Array,
    rowShape: readonly number[],
    inputs: readonly Float32Array[],
    config?: ModelConfig,
  ): Promise<BenchModel> {
    const path = await storeModel(this.modelsDir, name, '1', bytes, config);
    const model = await openModel(path, rowShape, 1);
    const rows: BenchRow[] = [];
    for (const input of inputs) {
      const outputs = await model.run(input);
      rows.push({ input, outputs: outputs.map((data) => Array.from(data, Number)) });
    }
    return { name, path, rowShape, rows };
  }

  async remove(): Promise<void> {
    await rm(this.modelsDir, { recursive: true, force: true });
  }
}
