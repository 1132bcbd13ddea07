/**
 * Checks a parsed text against the table of fields and makes a plain object of it. Called by to-model-config.ts. Every refusal
 * names the field by its path (`input[0].dims`), its place in the text, and what was expected.
 */
import { didYouMean } from '../suggest.ts';
import { decodeLeaf } from './decode-leaf.ts';
import { misplacedBeside, unknownField } from './field-problems.ts';
import { type DecodedMessage, type Field, type FieldType, type MessageType, message, one } from './schema-types.ts';
import { excerpt, TextFormatError } from './text-error.ts';
import type { TextDocument, TextField, TextMessage, TextValue } from './text-format.ts';

/** @throws TextFormatError */
export function decodeDocument<M extends MessageType>(document: TextDocument, type: M): DecodedMessage<M> {
  return new Decoder(document.text).message(document.root, type, '') as DecodedMessage<M>;
}

class Decoder {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  message({ fields }: TextMessage, type: MessageType, path: string): object {
    const found = new Map<string, unknown>();
    for (const written of fields) {
      const { name } = written;
      if (!Object.hasOwn(type.fields, name)) throw this.#unknown(written, type, path);
      const field = type.fields[name]!;
      const fieldPath = path === '' ? name : `${path}.${name}`;
      if (field.count === 'list') this.#addToList(found, written, field, fieldPath);
      else if (field.count === 'map') this.#addToMap(found, written, field, fieldPath);
      else {
        this.#checkSingle(found, written, type, fieldPath);
        found.set(name, this.#value(written.values[0]!, field.type, fieldPath));
      }
    }
    const plain = [...found].map(([name, value]) => [name, value instanceof Map ? Object.fromEntries(value) : value]);
    return Object.fromEntries(plain);
  }

  #addToList(found: Map<string, unknown>, { name, values }: TextField, { type }: Field, path: string): void {
    const items = (found.get(name) as unknown[] | undefined) ?? [];
    found.set(name, items);
    for (const value of values) items.push(this.#value(value, type, `${path}[${items.length}]`));
  }

  /** An entry is a message of key and value; the last of equal keys counts. */
  #addToMap(found: Map<string, unknown>, { name, values }: TextField, field: Field, path: string): void {
    const entries = (found.get(name) as Map<string, unknown> | undefined) ?? new Map<string, unknown>();
    found.set(name, entries);
    const { type, numericKeys = false } = field;
    const fields = { key: one(numericKeys ? 'uint64' : 'string'), value: one(type) };
    for (const value of values) {
      const entry = this.#value(value, message(fields), `${path}[${entries.size}]`) as {
        key?: unknown;
        value?: unknown;
      };
      const key = String(entry.key ?? (numericKeys ? 0 : ''));
      entries.set(key, entry.value ?? (type === 'string' ? '' : {}));
    }
  }

  #value(value: TextValue, type: FieldType, path: string): unknown {
    if (typeof type === 'object' && type.kind === 'message') {
      if (value.kind === 'message') return this.message(value, type, path);
      throw this.#fail(value.offset, `${path} must be a message in { }, not ${shown(value)}.`, path);
    }
    const decoded = decodeLeaf(value, type);
    if (!('expected' in decoded)) return decoded.value;
    const hint = typeof type === 'object' && value.kind === 'name' ? didYouMean(value.value, type.names) : '';
    throw this.#fail(value.offset, `${path} must be ${decoded.expected}, not ${shown(value)}.${hint}`, path);
  }

  #checkSingle(found: Map<string, unknown>, written: TextField, type: MessageType, path: string): void {
    const { name, offset } = written;
    if (written.list) throw this.#fail(offset, `${path} takes one value, not a list.`, path);
    if (found.has(name)) throw this.#fail(offset, `${path} is given twice; it takes one value.`, path);
    const rivals = type.oneofs.find((names) => names.includes(name)) ?? [];
    const rival = rivals.find((other) => found.has(other));
    if (rival === undefined) return;
    throw this.#fail(offset, misplacedBeside(path, rival, rivals), path);
  }

  #unknown({ name, offset }: TextField, type: MessageType, path: string): TextFormatError {
    return this.#fail(offset, unknownField(name, type, path), path === '' ? name : `${path}.${name}`);
  }

  #fail(offset: number, reason: string, field: string): TextFormatError {
    return new TextFormatError(this.#text, offset, reason, field);
  }
}

function shown(value: TextValue): string {
  switch (value.kind) {
    case 'message':
      return 'a message';
    case 'string':
      return `the string ${excerpt(value.value)}`;
    default:
      return excerpt(String(value.value)).slice(1, -1);
  }
}
