/** The models that benchmarks and load tests serve, all made here from seeds: no download, the same bytes every time. */
import type { ModelConfig } from '../src/ports/model-source.ts';
import { storeModel } from '../src/training/store-model.ts';
import { trainIris } from '../src/training/train-iris.ts';
import { buildMatmulChain } from './models/matmul-chain.ts';
import { buildMlp512 } from './models/mlp512.ts';
import { buildResnet18 } from './models/resnet18.ts';

export { buildMatmulChain } from './models/matmul-chain.ts';
export { buildMlp2k } from './models/mlp2k.ts';
export { buildMlp512 } from './models/mlp512.ts';
export { buildResnet18 } from './models/resnet18.ts';

interface BuiltModel {
  readonly bytes: Uint8Array;
  readonly config?: ModelConfig;
}

const builders = {
  iris: (): BuiltModel => {
    const { model, classNames } = trainIris();
    return { bytes: model, config: { classNames } };
  },
  mlp512: (): BuiltModel => ({ bytes: buildMlp512() }),
  resnet18: (): BuiltModel => ({ bytes: buildResnet18() }),
  'matmul-chain': (): BuiltModel => ({ bytes: buildMatmulChain() }),
} as const;

export type BenchModelName = keyof typeof builders;
export const benchModelNames = Object.keys(builders) as readonly BenchModelName[];

/** Stores version 1 of each named model under `dir`, ready to be served. @default all of them */
export async function writeModelRepository(
  dir: string,
  names: readonly BenchModelName[] = benchModelNames,
): Promise<void> {
  for (const name of names) {
    const { bytes, config } = builders[name]();
    await storeModel(dir, name, '1', bytes, config);
  }
}
