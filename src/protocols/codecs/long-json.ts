/**
 * Long JSON bodies in slices of the event loop: JSON.parse of 8 MiB takes 80 to 500 ms. The text is cut at commas into pieces;
 * each piece is closed and reopened with the brackets around the cut, parsed natively, and its parts are appended to the
 * containers that were open. The result is what JSON.parse gives for the whole, because the text is JSON exactly when every
 * closed piece is and each comma cut away stood inside a container, behind a value and before another: at a cut, JSON.parse
 * sees a bracket instead of the comma, and a bracket may also follow an opener or precede a closer, a comma may not.
 */
import { randomBytes } from 'node:crypto';
import { invalidInput } from '../../core/errors.ts';
import { refuseDuplicate } from './json-duplicates.ts';
import { JsonScanner } from './json-scan.ts';
import { decodeText, notJson, parseJson, syntaxError } from './read-json.ts';
import { nextTurn } from './turns.ts';
import { quote } from './value-text.ts';

/** About 1 ms of ordinary numbers, 4 ms of the worst brackets. */
const defaultPieceBytes = 64 * 1024;

/** Stands for the key of a value begun in an earlier piece; random, so that no body can contain it on purpose. */
const continued = `continued-${randomBytes(12).toString('hex')}`;

const arrayOpen = 0x5b;
const openers = [0x5b, 0x7b];
const closers = [0x5d, 0x7d];
const spaces = [0x20, 0x0a, 0x0d, 0x09];

type Container = unknown[] | Record<string, unknown>;

/** As readJson, for bodies of any size. `pieceBytes` is for tests. @throws INVALID_INPUT, PAYLOAD_TOO_LARGE. */
export async function readLongJson(bytes: Buffer, maxDepth: number, pieceBytes = defaultPieceBytes): Promise<unknown> {
  const scanner = new JsonScanner(bytes, maxDepth);
  let root: unknown;
  /** Containers that the piece starts in, outermost first. */
  let open: Container[] = [];
  let around: number[] = [];
  let start = 0;
  do {
    const keysBefore = scanner.keys;
    do await nextTurn();
    while (!scanner.scan(start + pieceBytes));
    const next = scanner.position;
    const last = next === bytes.length;
    const end = last ? next : next - 1;
    const prefix = reopen(around);
    const text = prefix + decodeText(bytes.subarray(start, end), scanner.ascii) + (last ? '' : close(scanner.stack));
    if (start > 0) refuseNoValueAfter(bytes, start, end);
    const piece = parseJson(text);
    if (piece === undefined) throw syntaxError(text, prefix.length, start);
    if (!last) refuseNoValueBefore(bytes, end, scanner);
    refuseDuplicate(piece, scanner.keys - keysBefore + continuations(around), text);
    if (open.length === 0) root = piece;
    else append(open, piece as Container);
    around = [...scanner.stack];
    open = last ? [] : openContainers(root, scanner, bytes);
    start = next;
  } while (start < bytes.length);
  return root;
}

/** A piece behind a comma must not be empty or begin with a closing bracket. @throws INVALID_INPUT. */
function refuseNoValueAfter(bytes: Buffer, start: number, end: number): void {
  let at = start;
  while (at < end && spaces.includes(bytes[at]!)) at++;
  if (at === end || closers.includes(bytes[at]!)) throw notJson(`at position ${at}`);
}

/** The comma at `comma` must stand inside a container and not behind its opening bracket. @throws INVALID_INPUT. */
function refuseNoValueBefore(bytes: Buffer, comma: number, { stack }: JsonScanner): void {
  let at = comma - 1;
  while (at >= 0 && spaces.includes(bytes[at]!)) at--;
  if (stack.length === 0 || openers.includes(bytes[at]!)) throw notJson(`at position ${comma}`);
}

/** Opening text for a piece that begins inside these brackets. */
function reopen(around: readonly number[]): string {
  let text = '';
  for (let level = 0; level < around.length; level++) {
    const deepest = level === around.length - 1;
    if (around[level] === arrayOpen) text += '[';
    else text += deepest ? '{' : `{"${continued}":`;
  }
  return text;
}

function continuations(around: readonly number[]): number {
  let count = 0;
  for (let level = 0; level < around.length - 1; level++) if (around[level] !== arrayOpen) count++;
  return count;
}

function close(stack: readonly number[]): string {
  let text = '';
  for (let level = stack.length - 1; level >= 0; level--) text += stack[level] === arrayOpen ? ']' : '}';
  return text;
}

/** The containers of `root` that are still open at the cut. */
function openContainers(root: unknown, scanner: JsonScanner, bytes: Buffer): Container[] {
  const { stack, keyAt } = scanner;
  const open: Container[] = [];
  let current = root as Container;
  for (let level = 0; level < stack.length; level++) {
    open.push(current);
    if (level === stack.length - 1) break;
    if (Array.isArray(current)) current = current.at(-1) as Container;
    else {
      const quoted = bytes.toString('utf8', keyAt[2 * level + 2]!, keyAt[2 * level + 3]!);
      current = current[JSON.parse(quoted) as string] as Container;
    }
  }
  return open;
}

/** Adds a piece's parts to the open containers, level by level; its first part continues the next level. */
function append(open: readonly Container[], piece: Container): void {
  let part: Container | undefined = piece;
  for (let level = 0; level < open.length && part !== undefined; level++) {
    const into = open[level]!;
    const deepest = level === open.length - 1;
    if (Array.isArray(part)) {
      const items: unknown[] = part;
      for (let i = deepest ? 0 : 1; i < items.length; i++) (into as unknown[]).push(items[i]);
      part = items[0] as Container;
    } else {
      const named: Record<string, unknown> = part;
      assignNames(into as Record<string, unknown>, named);
      part = named[continued] as Container | undefined;
    }
  }
}

function assignNames(into: Record<string, unknown>, named: Record<string, unknown>): void {
  for (const name of Object.keys(named)) {
    if (name === continued) continue;
    if (Object.hasOwn(into, name)) throw invalidInput(name.slice(0, 100), `The name ${quote(name)} is given twice.`);
    // Not an assignment: `__proto__` must become a key as in JSON.parse.
    Object.defineProperty(into, name, { value: named[name], enumerable: true, writable: true, configurable: true });
  }
}
