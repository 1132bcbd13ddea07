/**
 * The protobuf text format as a tree of fields with places in the text, without knowing any schema. Called by
 * to-model-config.ts; decode-message.ts then checks the tree against the table of fields. It refuses what a config.pbtxt never
 * needs: extensions and `Any` in brackets.
 * Grammar: https://protobuf.dev/reference/protobuf/textformat-spec/
 */
import { excerpt, TextFormatError } from './text-error.ts';
import { joinStrings } from './text-string.ts';
import { type Token, Tokenizer } from './text-tokens.ts';

export interface TextDocument {
  readonly text: string;
  readonly root: TextMessage;
}

export interface TextMessage {
  readonly kind: 'message';
  readonly offset: number;
  readonly fields: readonly TextField[];
}

/** One occurrence of a field: `a: 1`, or `a: [1, 2]` with two values. */
export interface TextField {
  readonly name: string;
  readonly offset: number;
  /** True when written in brackets, which only repeated fields may be. */
  readonly list: boolean;
  readonly values: readonly TextValue[];
}

export type TextValue =
  | TextMessage
  | { readonly kind: 'string'; readonly offset: number; readonly value: string }
  | { readonly kind: 'integer'; readonly offset: number; readonly value: bigint }
  | { readonly kind: 'float'; readonly offset: number; readonly value: number }
  /** `true`, `TYPE_FP32`, `inf`: what it means depends on the field. */
  | { readonly kind: 'name'; readonly offset: number; readonly value: string };

export interface TextLimits {
  /** UTF-16 units of the text. @default 1048576 */
  readonly maxLength?: number;
  /** Messages inside messages. @default 64 */
  readonly maxDepth?: number;
}

/** @throws TextFormatError with line and column, saying what was expected. */
export function parseTextFormat(text: string, { maxLength = 2 ** 20, maxDepth = 64 }: TextLimits = {}): TextDocument {
  if (text.length > maxLength) throw new TextFormatError('', 0, `the text is longer than ${maxLength} characters.`);
  const parser = new Parser(text, maxDepth);
  return { text, root: { kind: 'message', offset: 0, fields: parser.readFields(undefined, 0) } };
}

class Parser {
  readonly #tokens: Tokenizer;
  readonly #maxDepth: number;

  constructor(text: string, maxDepth: number) {
    this.#tokens = new Tokenizer(text);
    this.#maxDepth = maxDepth;
  }

  /** Up to the closing bracket, which is taken, or to the end of the text when there is none to wait for. */
  readFields(close: '}' | '>' | undefined, depth: number): TextField[] {
    const fields: TextField[] = [];
    for (;;) {
      const { next } = this.#tokens;
      if (close === undefined ? next.kind === 'end' : this.#tokens.accept(close)) return fields;
      if (next.kind !== 'name') throw this.#noName(close);
      fields.push(this.#readField(this.#tokens.take(), depth));
      if (!this.#tokens.accept(',')) this.#tokens.accept(';');
    }
  }

  #readField({ text: name, offset }: Token, depth: number): TextField {
    const colon = this.#tokens.accept(':');
    if (this.#tokens.next.text === '[' && this.#tokens.next.kind === 'symbol') {
      return { name, offset, list: true, values: this.#readList(name, colon, depth) };
    }
    if (!colon && !this.#atMessage()) throw this.#expected(`":" or "{" after ${name}`);
    return { name, offset, list: false, values: [this.#readValue(name, depth)] };
  }

  #readList(name: string, colon: boolean, depth: number): TextValue[] {
    this.#tokens.take();
    const values: TextValue[] = [];
    if (this.#tokens.accept(']')) return values;
    for (;;) {
      if (!colon && !this.#atMessage()) throw this.#expected(`"{" in the list of ${name}, which has no ":" before it`);
      values.push(this.#readValue(name, depth));
      if (this.#tokens.accept(']')) return values;
      if (!this.#tokens.accept(',')) throw this.#expected(`"," or "]" in the list of ${name}`);
    }
  }

  #atMessage(): boolean {
    const { kind, text } = this.#tokens.next;
    return kind === 'symbol' && (text === '{' || text === '<');
  }

  #readValue(name: string, depth: number): TextValue {
    const { offset } = this.#tokens.next;
    if (this.#atMessage()) {
      if (depth >= this.#maxDepth) throw this.#fail(offset, `messages are nested deeper than ${this.#maxDepth}.`);
      const close = this.#tokens.take().text === '{' ? '}' : '>';
      return { kind: 'message', offset, fields: this.readFields(close, depth + 1) };
    }
    if (this.#tokens.next.kind === 'string') return { kind: 'string', offset, value: this.#readStrings() };
    const negative = this.#tokens.accept('-');
    const { kind, text } = this.#tokens.next;
    if (kind === 'integer') return { kind, offset, value: negative ? -this.#takeInteger() : this.#takeInteger() };
    if (kind === 'float') return { kind, offset, value: negative ? -this.#takeFloat() : this.#takeFloat() };
    if (kind !== 'name') throw this.#expected(negative ? 'a number after "-"' : `a value for ${name}`);
    if (!negative) return { kind, offset, value: this.#tokens.take().text };
    const special = specialFloat(text);
    if (special === undefined) throw this.#expected('a number after "-"');
    this.#tokens.take();
    return { kind: 'float', offset, value: -special };
  }

  #readStrings(): string {
    const literals: Token[] = [];
    while (this.#tokens.next.kind === 'string') literals.push(this.#tokens.take());
    return joinStrings(this.#tokens.text, literals);
  }

  #takeInteger(): bigint {
    const { text } = this.#tokens.take();
    return BigInt(/^0[0-7]+$/.test(text) ? `0o${text.slice(1)}` : text);
  }

  #takeFloat(): number {
    return Number(this.#tokens.take().text.replace(/f$/i, ''));
  }

  #noName(close: string | undefined): TextFormatError {
    const { kind, text } = this.#tokens.next;
    if (kind === 'symbol' && text === '[') {
      return this.#fail(this.#tokens.next.offset, 'extensions and Any messages ("[name]") are not supported here.');
    }
    return this.#expected(close === undefined ? 'a field name' : `a field name or "${close}"`);
  }

  #expected(what: string): TextFormatError {
    const { kind, text, offset } = this.#tokens.next;
    return this.#fail(offset, `expected ${what}, not ${kind === 'end' ? 'the end of the text' : excerpt(text)}.`);
  }

  #fail(offset: number, reason: string): TextFormatError {
    return new TextFormatError(this.#tokens.text, offset, reason);
  }
}

/** The float a bare word stands for: `inf`, `infinity`, `nan` in any case. */
export function specialFloat(word: string): number | undefined {
  if (/^inf(inity)?$/i.test(word)) return Number.POSITIVE_INFINITY;
  return /^nan$/i.test(word) ? Number.NaN : undefined;
}
