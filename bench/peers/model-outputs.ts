/** How the Node peers run a model: the tensor outputs only, one row, session options as given. Shared by naive and raw loop. */
import * as ort from 'onnxruntime-node';

export interface RowModel {
  readonly run: (row: Float32Array) => Promise<readonly Float32Array[]>;
}

/** `rowShape` is the shape of one row without the batch axis. */
export async function openModel(path: string, rowShape: readonly number[], intraOpThreads: number): Promise<RowModel> {
  const session = await ort.InferenceSession.create(path, {
    intraOpNumThreads: intraOpThreads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const input = session.inputNames[0]!;
  const outputs = session.outputMetadata.filter((output) => output.isTensor).map((output) => output.name);
  const dims = [1, ...rowShape];
  return {
    run: async (row) => {
      const results = await session.run({ [input]: new ort.Tensor('float32', row, dims) }, outputs);
      return outputs.map((name) => results[name]!.data as Float32Array);
    },
  };
}
