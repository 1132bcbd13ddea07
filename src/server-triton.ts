/**
 * Puts the readers of Triton's files together for the model source, loaded when the first `config.pbtxt` is seen: most servers have
 * none, and the parsers cost them 6 MB and 30 ms of their start. Called by server.ts. What a config.pbtxt says without effect is
 * logged once, and again when it changes, because the source reads the file at every look.
 */
import type { TritonReader, TritonReading } from './adapters/filesystem/triton-folder.ts';
import type { Logger } from './ports/logger.ts';
import type { TritonModelConfig } from './ports/triton-config.ts';

export function lazyTriton(logger: Logger): () => Promise<TritonReader> {
  let reader: Promise<TritonReader> | undefined;
  return () => {
    reader ??= createTritonReader(logger);
    return reader;
  };
}

/** The configuration in Triton's JSON form; undefined for a model that has none. */
export async function renderTriton(
  config: TritonModelConfig | undefined,
  instances: number,
): Promise<object | undefined> {
  if (config === undefined) return undefined;
  const { renderTritonJson } = await import('./config/triton/render-json.ts');
  return renderTritonJson(config, instances);
}

async function createTritonReader(logger: Logger): Promise<TritonReader> {
  const [{ parseLabels }, { readTritonConfig, readTritonJson }] = await Promise.all([
    import('./config/triton/label-file.ts'),
    import('./config/triton/to-model-config.ts'),
  ]);
  const reported = new Map<string, string>();
  const report = (model: string, read: TritonReading): TritonReading => {
    const notes = read.notes.join('\n');
    if (reported.get(model) !== notes) {
      reported.set(model, notes);
      if (notes !== '') logger.info({ model, notes: read.notes }, 'config.pbtxt: not everything has an effect here');
    }
    return read;
  };
  return {
    readConfig: (text, model) => report(model, readTritonConfig(text, model)),
    readJson: (json, model) => report(model, readTritonJson(json, model)),
    readLabels: parseLabels,
  };
}
