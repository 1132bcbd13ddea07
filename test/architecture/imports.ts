/**
 * Finds the imports of a TypeScript file: static, type-only, re-exports, `import()` as call and as type. Used by
 * test/architecture.test.ts. Reads text, not a syntax tree: TypeScript 7 has no JavaScript API to ask. Comments and the insides of
 * strings are blanked first, so that only code is seen.
 */

export interface FoundImport {
  readonly specifier: string;
  /** Vanishes when types are stripped. */
  readonly typeOnly: boolean;
  /** 1-based. */
  readonly line: number;
  /** The source line, for the message. */
  readonly text: string;
}

/** Comments, strings and templates, in one pass so that `//` in a string is no comment. */
const tokens = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g;

/** `'x'` becomes `@0@`, an index into `strings`; comments become blanks; line breaks stay. */
function blank(source: string): { code: string; strings: string[] } {
  const strings: string[] = [];
  const code = source.replace(tokens, (token) => {
    if (token.startsWith('/')) return token.replace(/[^\n]/g, ' ');
    strings.push(token.slice(1, -1));
    return `@${strings.length - 1}@${'\n'.repeat(token.split('\n').length - 1)}`;
  });
  return { code, strings };
}

const statement = /\b(import|export)\s+(type\s+)?((?:[\w$*{}\s,]|\bas\b)*?)\bfrom\s*@(\d+)@/g;
const bare = /\bimport\s*@(\d+)@/g;
const call = /\bimport\s*\(\s*@(\d+)@\s*[,)]/g;

/** `{ type A, type B }` imports nothing at run time. */
function onlyTypes(clause: string): boolean {
  const names = /^\s*\{([^}]*)\}\s*$/.exec(clause);
  if (names === null) return false;
  const parts = names[1]!.split(',').filter((part) => part.trim() !== '');
  return parts.length > 0 && parts.every((part) => part.trim().startsWith('type '));
}

/** `import('x').Y` in a type position, as against a call that is awaited or chained. */
function isTypeImport(code: string, start: number, end: number): boolean {
  return /[:<|&=]\s*(typeof\s+)?$/.test(code.slice(0, start)) && /^\s*\)?\s*\.\s*[A-Z]/.test(code.slice(end));
}

export function findImports(source: string): FoundImport[] {
  const { code, strings } = blank(source);
  const lines = source.split('\n');
  const found: FoundImport[] = [];
  const add = (offset: number, string: string, typeOnly: boolean) => {
    const line = code.slice(0, offset).split('\n').length;
    found.push({ specifier: strings[Number(string)]!, typeOnly, line, text: lines[line - 1]!.trim() });
  };
  for (const match of code.matchAll(statement)) {
    add(match.index, match[4]!, match[2] !== undefined || onlyTypes(match[3]!));
  }
  for (const match of code.matchAll(bare)) add(match.index, match[1]!, false);
  for (const match of code.matchAll(call)) {
    add(match.index, match[1]!, isTypeImport(code, match.index, match.index + match[0].length));
  }
  return found;
}
