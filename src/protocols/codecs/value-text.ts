/** How error messages name what they found. Never echoes more than a few characters of what a client sent. */

const maxEcho = 40;

/** `number 1.5`, `string "abc"`, `a list of 3`, `null`, `an object`, `nothing`. */
export function describeValue(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value instanceof Uint8Array) return `${value.byteLength} raw bytes`;
  if (typeof value === 'string') return `string ${quote(value)}`;
  if (typeof value === 'bigint') return `integer ${value.toString().slice(0, maxEcho)}`;
  if (typeof value === 'number' || typeof value === 'boolean') return `${typeof value} ${value}`;
  return 'an object';
}

/** JSON-quoted, cut after 40 characters. */
export function quote(text: string): string {
  return JSON.stringify(text.length > maxEcho ? `${text.slice(0, maxEcho)}...` : text);
}

/** `"a", "b", "c"`, at most 20 of them. */
export function listNames(names: readonly string[]): string {
  const shown = names.slice(0, 20).map(quote).join(', ');
  return names.length > 20 ? `${shown} and ${names.length - 20} more` : shown;
}
