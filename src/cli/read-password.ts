/** A password from the terminal, twice and without showing it, or one line of standard input. Must never print what it read. */
import type { Terminal } from './terminal.ts';

export interface PasswordInput extends AsyncIterable<Uint8Array | string> {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
}

const maxBytes = 4096;

/** Undefined after saying why there is none. */
export async function readPassword(input: PasswordInput, terminal: Pick<Terminal, 'err'>): Promise<string | undefined> {
  const lines = linesOf(input);
  const isTerminal = input.isTTY === true;
  if (isTerminal) {
    input.setRawMode?.(true);
    terminal.err('Password (it is not shown):');
  }
  try {
    const password = await lines.next();
    if (isTerminal && password.value) terminal.err('Once more:');
    const again = isTerminal && password.value ? await lines.next() : password;
    if (!password.value) terminal.err('hotpath: No password was given.');
    else if (password.value !== again.value) terminal.err('hotpath: The two are not the same.');
    else return password.value;
    return undefined;
  } finally {
    if (isTerminal) input.setRawMode?.(false);
    await lines.return(undefined);
  }
}

/** Lines with what a raw terminal leaves to us: Enter, Backspace, Ctrl-C and Ctrl-D (both end it). */
async function* linesOf(input: PasswordInput): AsyncGenerator<string, undefined> {
  const decoder = new TextDecoder();
  let line: string[] = [];
  for await (const chunk of input) {
    const text = typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
    for (const character of text) {
      if (character === '\n' || (character === '\r' && input.isTTY === true)) {
        const whole = line.join('');
        line = [];
        yield input.isTTY === true ? whole : whole.replace(/\r$/, '');
      } else if (input.isTTY === true && (character === '\u0003' || character === '\u0004')) return undefined;
      else if (input.isTTY === true && (character === '\u007f' || character === '\b')) line.pop();
      else line.push(character);
    }
    if (line.length > maxBytes) return undefined;
  }
  if (line.length > 0) yield line.join('');
  return undefined;
}
