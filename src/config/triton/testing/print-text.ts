/** Writes a tree of fields as protobuf text, in a style chosen by a list of numbers: for the round trips of the tests. */

export type PlainValue =
  | { readonly kind: 'message'; readonly fields: readonly PlainField[] }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'integer'; readonly value: bigint }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'name'; readonly value: string };

export interface PlainField {
  readonly name: string;
  readonly list: boolean;
  readonly values: readonly PlainValue[];
}

const blanks = [' ', '\n', '\t ', ' # note: "{[ \n', '\r\n', '#\n'];

export class TextPrinter {
  readonly #style: readonly number[];
  #choices = 0;

  /** Every choice of spacing, brackets, separators, quotes and number form takes the next number of `style`. */
  constructor(style: readonly number[]) {
    this.#style = style;
  }

  print(fields: readonly PlainField[]): string {
    return fields.map((field) => this.#field(field) + this.#pick([' ', ', ', '; ', '\n'])).join('');
  }

  #field({ name, list, values }: PlainField): string {
    const messages = values.every((value) => value.kind === 'message');
    const colon = messages ? this.#pick([':', '', ' : ']) : this.#pick([':', ': ', ' :\n']);
    const printed = values.map((value) => this.#value(value));
    if (!list) return name + colon + this.#blank() + printed[0]!;
    const comma = `${this.#blank()},${this.#blank()}`;
    return `${name}${colon}[${this.#blank()}${printed.join(comma)}${this.#blank()}]`;
  }

  #value(value: PlainValue): string {
    switch (value.kind) {
      case 'message': {
        const [open, close] = this.#pick(['{}', '<>']);
        return open! + this.#blank() + this.print(value.fields) + close!;
      }
      case 'string':
        return this.#string(value.value);
      case 'integer':
        return this.#integer(value.value);
      case 'float':
        return this.#float(value.value);
      default:
        return value.value;
    }
  }

  #string(value: string): string {
    const middle = this.#pick([0, 1, 2]);
    const letters = [...value];
    const parts = middle === 0 ? [letters] : [letters.slice(0, middle), letters.slice(middle)];
    return parts.map((part) => this.#literal(part.join(''))).join(this.#blank());
  }

  #literal(part: string): string {
    const quote = this.#pick(['"', "'"]);
    const letters = [...part].map((letter) => {
      const must = letter === quote || letter === '\\' || letter === '\n';
      return must || this.#pick([false, false, true]) ? this.#escape(letter) : letter;
    });
    return quote + letters.join('') + quote;
  }

  #escape(letter: string): string {
    const point = letter.codePointAt(0)!;
    const bytes = [...new TextEncoder().encode(letter)];
    return this.#pick([
      () => bytes.map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join(''),
      () => bytes.map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join(''),
      () => `\\U${point.toString(16).padStart(8, '0')}`,
      () =>
        letter
          .split('')
          .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
          .join(''),
    ])();
  }

  #integer(value: bigint): string {
    const size = value < 0n ? -value : value;
    const digits = this.#pick([String(size), `0x${size.toString(16)}`, `0${size.toString(8)}`]);
    return (value < 0n ? `-${this.#blank()}` : '') + digits;
  }

  #float(value: number): string {
    const size = Math.abs(value);
    const sign = value < 0 || Object.is(value, -0) ? '-' : '';
    if (size === Number.POSITIVE_INFINITY) return `${sign}${this.#pick(['1e999', '9e99999f'])}`;
    const digits = String(size);
    return (
      sign +
      (/[.e]/.test(digits) ? digits + this.#pick(['', 'f', 'F']) : digits + this.#pick(['.', '.0', 'f', 'e0', '.e+0']))
    );
  }

  #blank(): string {
    return this.#pick(['', ...blanks]);
  }

  #pick<T>(options: readonly T[]): T {
    const choice = this.#style[this.#choices++ % this.#style.length] ?? 0;
    return options[choice % options.length]!;
  }
}
