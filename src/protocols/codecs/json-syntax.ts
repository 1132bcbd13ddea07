/** Where a text stops being JSON. Runs only after JSON.parse refused it, because V8's message often lacks the position. */

const token =
  /[ \t\n\r]*(?:(?<text>"(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(?<value>-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)|(?<mark>[[\]{},:]))/y;

type Expected = 'value' | 'value or end' | 'key' | 'key or end' | 'colon' | 'comma or end' | 'nothing';

/** Position of the first character that cannot be there; the length of the text when its end comes too early. */
export function findSyntaxError(text: string): number {
  const stack: string[] = [];
  let expected: Expected = 'value';
  let position = 0;
  for (;;) {
    const start = skipSpace(text, position);
    token.lastIndex = position;
    const match = token.exec(text);
    if (match === null) return start;
    const kind = match.groups?.text === undefined ? (match.groups?.mark ?? 'value') : 'text';
    const next = follow(kind, expected, stack);
    if (next === undefined) return start;
    expected = next;
    position = token.lastIndex;
  }
}

function follow(kind: string, expected: Expected, stack: string[]): Expected | undefined {
  const wantsValue = expected === 'value' || expected === 'value or end';
  if (kind === 'text' && (expected === 'key' || expected === 'key or end')) return 'colon';
  if ((kind === 'text' || kind === 'value') && wantsValue) return afterValue(stack);
  if (kind === ':' && expected === 'colon') return 'value';
  if (kind === ',' && expected === 'comma or end') return stack.at(-1) === '{' ? 'key' : 'value';
  if ((kind === '[' || kind === '{') && wantsValue) {
    stack.push(kind);
    return kind === '[' ? 'value or end' : 'key or end';
  }
  const opener = kind === ']' ? '[' : kind === '}' ? '{' : '';
  const emptyOrFull = expected === 'comma or end' || expected === 'value or end' || expected === 'key or end';
  if (opener === '' || stack.at(-1) !== opener || !emptyOrFull) return undefined;
  stack.pop();
  return afterValue(stack);
}

function afterValue(stack: readonly string[]): Expected {
  return stack.length === 0 ? 'nothing' : 'comma or end';
}

function skipSpace(text: string, position: number): number {
  while (position < text.length && ' \t\n\r'.includes(text[position]!)) position++;
  return position;
}
