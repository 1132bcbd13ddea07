/**
 * What is wrong with a text in protobuf text format, and where. Thrown by the tokenizer, the parser and the decoder of this folder;
 * to-model-config.ts turns it into an error of the house. Line and column are only counted when something is wrong.
 */

export class TextFormatError extends Error {
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 units; a tab counts one. */
  readonly column: number;
  /** The field the message is about, such as `input[0].dims`; undefined where the text itself is broken. */
  readonly field: string | undefined;

  constructor(text: string, offset: number, reason: string, field?: string) {
    const before = text.slice(0, offset);
    const line = before.split('\n').length;
    const column = offset - before.lastIndexOf('\n');
    super(`line ${line}, column ${column}: ${reason}`);
    this.name = 'TextFormatError';
    this.line = line;
    this.column = column;
    this.field = field;
  }
}

/** A piece of the text for a message: in quotes, on one line, cut to 40 characters. */
export function excerpt(piece: string): string {
  const cut = piece.length > 40 ? `${piece.slice(0, 40)}…` : piece;
  return JSON.stringify(cut);
}
