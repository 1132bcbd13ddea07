/**
 * Entry of the disposable process that optimizes one model offline. Started by offline-optimize.ts with one message, answers
 * with one and is killed. May die at any moment: that is its purpose.
 */
import * as ort from 'onnxruntime-node';
import type { OfflineJob } from './offline-optimize.ts';

export type OfflineMessage = { readonly done: true } | { readonly failed: string };

ort.env.logLevel = 'fatal';

const send = (message: OfflineMessage): void => {
  process.send?.(message);
};

async function optimize({ modelPath, outputPath, level, dataFile }: OfflineJob): Promise<void> {
  const external =
    dataFile === undefined
      ? {}
      : {
          optimized_model_external_initializers_file_name: dataFile,
          optimized_model_external_initializers_min_size_in_bytes: '1024',
        };
  await ort.InferenceSession.create(modelPath, {
    graphOptimizationLevel: level,
    optimizedModelFilePath: outputPath,
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    logSeverityLevel: 4,
    extra: { session: external },
  });
}

process.once('message', (job: OfflineJob) => {
  optimize(job).then(
    () => send({ done: true }),
    (error: unknown) => send({ failed: (error as Error).message }),
  );
});

// A parent that died needs no answer.
process.once('disconnect', () => process.exit());
