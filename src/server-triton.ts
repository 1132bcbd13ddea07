/**
 * Puts the readers of Triton's files together for the model source. Called by server.ts. What a config.pbtxt says without effect
 * is logged once, and again when it changes, because the source reads the file at every look.
 */
import type { TritonReader } from './adapters/filesystem/triton-folder.ts';
import { parseLabels } from './config/triton/label-file.ts';
import { readTritonConfig } from './config/triton/to-model-config.ts';
import type { Logger } from './ports/logger.ts';

export function createTritonReader(logger: Logger): TritonReader {
  const reported = new Map<string, string>();
  return {
    readConfig(text, model) {
      const read = readTritonConfig(text, model);
      const notes = read.notes.join('\n');
      if (reported.get(model) !== notes) {
        reported.set(model, notes);
        if (notes !== '') logger.info({ model, notes: read.notes }, 'config.pbtxt: not everything has an effect here');
      }
      return read;
    },
    readLabels: parseLabels,
  };
}
