/**
 * The parts of a model entry that come from a `config.pbtxt` and the label files it names. Called by model-folder.ts for folders
 * in Triton's layout. It reads; what the text means is decided by the injected reader.
 */
import type { ModelConfig, ModelEntry } from '../../ports/model-source.ts';
import type { TritonModelConfig } from '../../ports/triton-config.ts';
import { readConfigFile } from './config-file.ts';

/** `readTritonConfig`, `readTritonJson` and `parseLabels` of config/triton, put together by the composition root. */
export interface TritonReader {
  /** @throws HotpathError with a sentence about the file. */
  readConfig(text: string, folderName: string): TritonReading;
  /** The same configuration as JSON, from a load call. @throws HotpathError with a sentence about the field. */
  readJson(json: object, folderName: string): TritonReading;
  /** @throws HotpathError with a sentence about the file. */
  readLabels(text: string, fileName: string): readonly string[];
}

export interface TritonReading {
  readonly config: TritonModelConfig;
  readonly model: ModelConfig;
  readonly notes: readonly string[];
}

export const tritonConfigName = 'config.pbtxt';

export type TritonParts = Pick<ModelEntry, 'config' | 'triton' | 'notes' | 'outputLabels'>;

const maxConfigBytes = 2 ** 20;
const maxLabelBytes = 8 * 2 ** 20;

/**
 * @param given JSON in force instead of the file
 * @throws HotpathError when a file cannot be read or is wrong.
 */
export async function readTritonParts(
  root: string,
  folder: string,
  name: string,
  reader: TritonReader,
  given?: object,
): Promise<TritonParts> {
  const {
    config: triton,
    model,
    notes,
  } = given === undefined
    ? reader.readConfig(await readConfigFile(root, folder, tritonConfigName, maxConfigBytes), name)
    : reader.readJson(given, name);
  const labelled: [output: string, labels: readonly string[]][] = [];
  for (const output of triton.outputs) {
    if (output.labelFile === undefined) continue;
    const title = `config.pbtxt: the label file "${output.labelFile}" of the output "${output.name}"`;
    const labels = await readConfigFile(root, folder, output.labelFile, maxLabelBytes, title);
    labelled.push([output.name, reader.readLabels(labels, output.labelFile)]);
  }
  // With labels for several outputs nobody can say which of them the prediction is.
  const config = labelled.length === 1 ? { ...model, classNames: labelled[0]![1] } : model;
  return { config, triton, notes, outputLabels: Object.fromEntries(labelled) };
}
