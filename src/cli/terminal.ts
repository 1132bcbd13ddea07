/**
 * Where a command prints, and whether in colour. Commands get it as an argument, so their tests read what a user would see.
 * Must never be used by the server: that one logs.
 */

export interface Terminal {
  /** Results: standard output. A newline is added. */
  out(text: string): void;
  /** Complaints and progress: standard error. A newline is added. */
  err(text: string): void;
  readonly style: Style;
  /** Standard error itself, for progress that is drawn over. */
  readonly errStream?: OutputStream;
}

export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
}

export interface OutputStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Colour only on a terminal, and never with NO_COLOR (https://no-color.org: any non-empty value). */
export function wantsColor(stream: OutputStream, env: Readonly<Record<string, string | undefined>>): boolean {
  return stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
}

export function createStyle(color: boolean): Style {
  const paint = (open: number, close: number) => (text: string) =>
    color ? `\u001b[${open}m${text}\u001b[${close}m` : text;
  return { bold: paint(1, 22), dim: paint(2, 22), red: paint(31, 39), green: paint(32, 39) };
}

export function createTerminal(
  streams: { readonly stdout: OutputStream; readonly stderr: OutputStream },
  env: Readonly<Record<string, string | undefined>>,
): Terminal {
  return {
    out: (text) => streams.stdout.write(`${text}\n`),
    err: (text) => streams.stderr.write(`${text}\n`),
    style: createStyle(wantsColor(streams.stdout, env)),
    errStream: streams.stderr,
  };
}
