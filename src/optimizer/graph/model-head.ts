/**
 * What a model says beside its graph: operator sets, IR version, producer, metadata. Called by graph.ts and by passes through
 * `graph.head`. Fields that are not set here keep their bytes, functions and training graphs among them.
 */
import { invalidInput } from '../../core/errors.ts';
import type { Field } from '../../onnx-file/fields.ts';
import {
  contentOf,
  lastField,
  numberOf,
  replaceFields,
  scanFields,
  textOf,
  writeFields,
} from '../../onnx-file/fields.ts';
import type { Opset } from '../../onnx-file/model.ts';
import { fields } from '../../onnx-file/schema.ts';

const keys = fields.model;

export class ModelHead {
  #fields: readonly Field[];

  constructor(modelFields: readonly Field[]) {
    this.#fields = modelFields;
  }

  /** Fields of the ModelProto, the graph's among them. */
  get fields(): readonly Field[] {
    return this.#fields;
  }

  /** 0 where the model does not say. */
  get irVersion(): number {
    return this.#number(keys.irVersion);
  }

  set irVersion(version: number) {
    this.#set(
      keys.irVersion,
      writeFields((writer) => writer.int(keys.irVersion, version)),
    );
  }

  get producerName(): string {
    return this.#text(keys.producerName);
  }

  get producerVersion(): string {
    return this.#text(keys.producerVersion);
  }

  get docString(): string {
    return this.#text(keys.docString);
  }

  get modelVersion(): number {
    return this.#number(keys.modelVersion);
  }

  /** Domain `ai.onnx` is given as ''. */
  get opsets(): Opset[] {
    return this.#all(keys.opsetImport).map((field) => {
      const found = scanFields(contentOf(field));
      const domain = lastField(found, fields.opset.domain);
      const version = lastField(found, fields.opset.version);
      const text = domain === undefined ? '' : textOf(domain);
      return { domain: text === 'ai.onnx' ? '' : text, version: version === undefined ? 0 : numberOf(version) };
    });
  }

  /** Replaces the whole list. */
  set opsets(opsets: readonly Opset[]) {
    this.#set(
      keys.opsetImport,
      writeFields((writer) => {
        for (const { domain, version } of opsets) {
          writer.message(keys.opsetImport, (child) => {
            if (domain !== '') child.string(fields.opset.domain, domain);
            child.int(fields.opset.version, version);
          });
        }
      }),
    );
  }

  opset(domain = ''): number | undefined {
    return this.opsets.find((opset) => opset.domain === domain)?.version;
  }

  /** Adds the domain, or changes its version; nothing else moves. Raising '' changes what operators mean: convert them first. */
  setOpset(domain: string, version: number): void {
    if (this.opset(domain) === version) return;
    this.opsets = [...this.opsets.filter((opset) => opset.domain !== domain), { domain, version }];
  }

  get metadata(): ReadonlyMap<string, string> {
    const entries = this.#all(keys.metadataProps).map((field): [string, string] => {
      const found = scanFields(contentOf(field));
      const text = (key: number): string => {
        const part = lastField(found, key);
        return part === undefined ? '' : textOf(part);
      };
      return [text(fields.entry.key), text(fields.entry.value)];
    });
    return new Map(entries);
  }

  /** Adds or replaces one entry. */
  setMetadata(key: string, value: string): void {
    const [entry] = writeFields((writer) =>
      writer.message(keys.metadataProps, (child) => {
        child.string(fields.entry.key, key);
        child.string(fields.entry.value, value);
      }),
    );
    const others = this.#all(keys.metadataProps).filter((field) => {
      const name = lastField(scanFields(contentOf(field)), fields.entry.key);
      return name === undefined || textOf(name) !== key;
    });
    this.#set(keys.metadataProps, [...others, entry!]);
  }

  /** Functions that the model defines itself; the graph calls them like operators. */
  get functionCount(): number {
    return this.#all(keys.functions).length;
  }

  #all(number: number): Field[] {
    return this.#fields.filter((field) => field.number === number);
  }

  #set(number: number, replacement: readonly Field[]): void {
    if (number === keys.graph) throw invalidInput('graph', 'The graph is written by the graph itself.');
    this.#fields = replaceFields(this.#fields, number, replacement);
  }

  #number(number: number): number {
    const field = lastField(this.#fields, number);
    return field === undefined ? 0 : numberOf(field);
  }

  #text(number: number): string {
    const field = lastField(this.#fields, number);
    return field === undefined ? '' : textOf(field);
  }
}
