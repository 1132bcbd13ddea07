/** The head of an answer as text. The part that is the same for a second is kept, date included. */
import { STATUS_CODES } from 'node:http';

// The line breaks above all: a value with one would begin a header of its own.
const notAllowed = /[^\t\x20-\x7e\x80-\xff]/;

export class AnswerText {
  readonly #keepAlive: string;
  readonly #begin = new Map<number, string>();
  readonly #beginLast = new Map<number, string>();
  #date = '';

  /** What clients are told of the idle time after which they are cut; 0 tells nothing. */
  constructor(keepAliveTimeoutMs: number) {
    const seconds = Math.floor(keepAliveTimeoutMs / 1000);
    this.#keepAlive = `connection: keep-alive\r\n${seconds > 0 ? `keep-alive: timeout=${seconds}\r\n` : ''}`;
  }

  /** To be called about once a second. */
  setDate(date: Date): void {
    this.#date = date.toUTCString();
    this.#begin.clear();
    this.#beginLast.clear();
  }

  /** `isLast`: the connection closes after it. @throws TypeError on a character that no header may have. */
  head(status: number, headers: readonly string[], isLast: boolean): string {
    let text = this.#beginning(status, isLast);
    for (let i = 0; i < headers.length; i += 2) {
      const value = headers[i + 1]!;
      if (notAllowed.test(value)) throw new TypeError(`Invalid character in the header "${headers[i]}".`);
      text += `${headers[i]}: ${value}\r\n`;
    }
    return `${text}\r\n`;
  }

  #beginning(status: number, isLast: boolean): string {
    const texts = isLast ? this.#beginLast : this.#begin;
    let text = texts.get(status);
    if (text === undefined) {
      const connection = isLast ? 'connection: close\r\n' : this.#keepAlive;
      text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\ndate: ${this.#date}\r\n${connection}`;
      texts.set(status, text);
    }
    return text;
  }
}
