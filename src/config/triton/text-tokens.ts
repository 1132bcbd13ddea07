/**
 * Splits a text in protobuf text format into names, numbers, strings and symbols; blanks and `#` comments vanish. Pulled one
 * token ahead by the parser in text-format.ts. Linear in the length of the text, whatever is in it.
 */
import { excerpt, TextFormatError } from './text-error.ts';

export interface Token {
  readonly kind: 'name' | 'integer' | 'float' | 'string' | 'symbol' | 'end';
  /** As written; a string keeps its quotes and escapes. */
  readonly text: string;
  readonly offset: number;
}

const namePattern = /[A-Za-z_][A-Za-z0-9_]*/y;
const numberPattern = /0[xX][0-9A-Fa-f]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fF]?/y;
const symbols = ':{}<>[],;-';
/** Longer than any number with a meaning; a million digits would cost seconds to turn into a number. */
const maxNumberLength = 400;

export class Tokenizer {
  readonly text: string;
  #at = 0;
  #token: Token;

  /** @throws TextFormatError */
  constructor(text: string) {
    this.text = text;
    this.#token = this.#read();
  }

  /** The next token; it stays the next one. */
  get next(): Token {
    return this.#token;
  }

  /** @throws TextFormatError when what follows is no token. */
  take(): Token {
    const token = this.#token;
    if (token.kind !== 'end') this.#token = this.#read();
    return token;
  }

  /** Takes the next token if it is this symbol. */
  accept(symbol: string): boolean {
    const found = this.#token.kind === 'symbol' && this.#token.text === symbol;
    if (found) this.take();
    return found;
  }

  #read(): Token {
    this.#skipBlanks();
    const offset = this.#at;
    const first = this.text[offset];
    if (first === undefined) return { kind: 'end', text: '', offset };
    const token =
      this.#match('name', namePattern) ??
      (first === '"' || first === "'" ? this.#readString(first) : this.#readNumber());
    if (token !== undefined) return token;
    if (!symbols.includes(first)) {
      const shown = excerpt(String.fromCodePoint(this.text.codePointAt(offset)!));
      throw new TextFormatError(this.text, offset, `expected a field name, a value or a bracket, not ${shown}.`);
    }
    this.#at++;
    return { kind: 'symbol', text: first, offset };
  }

  #match(kind: Token['kind'], pattern: RegExp): Token | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0];
    if (found === undefined) return undefined;
    const token: Token = { kind, text: found, offset: this.#at };
    this.#at += found.length;
    return token;
  }

  #readNumber(): Token | undefined {
    const token = this.#match('float', numberPattern);
    if (token === undefined) return undefined;
    const { text: written, offset } = token;
    const malformed = /[A-Za-z0-9_.]/.test(this.text[this.#at] ?? '') || written.length > maxNumberLength;
    const integer = /^(0[xX]|[0-9]+$)/.test(written);
    if (malformed || (integer && /^0[0-9]*[89]/.test(written))) {
      const shown = excerpt(this.text.slice(offset, this.#at + 1));
      throw new TextFormatError(this.text, offset, `${shown} is not a number as the text format writes them.`);
    }
    return integer ? { kind: 'integer', text: written, offset } : token;
  }

  #readString(quote: string): Token {
    const offset = this.#at;
    for (let at = offset + 1; at < this.text.length; at++) {
      const letter = this.text[at]!;
      if (letter === '\n') break;
      if (letter === '\\' && this.text[at + 1] !== '\n') at++;
      else if (letter === quote) {
        this.#at = at + 1;
        return { kind: 'string', text: this.text.slice(offset, this.#at), offset };
      }
    }
    throw new TextFormatError(this.text, offset, `this string has no closing ${quote} on its line.`);
  }

  #skipBlanks(): void {
    for (;;) {
      const letter = this.text[this.#at];
      if (letter === '#') {
        const end = this.text.indexOf('\n', this.#at);
        this.#at = end === -1 ? this.text.length : end;
      } else if (letter !== undefined && ' \t\n\r\v\f'.includes(letter)) this.#at++;
      else return;
    }
  }
}
