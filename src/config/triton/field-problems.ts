/** The sentences about fields that do not exist or exclude each other, the same for the text and the JSON form. */
import { didYouMean } from '../suggest.ts';
import type { MessageType } from './schema-types.ts';
import { excerpt } from './text-error.ts';

/** @param path of the message that has no such field; '' for the whole. */
export function unknownField(name: string, type: MessageType, path: string): string {
  const known = Object.keys(type.fields);
  const place = path === '' ? '' : ` in ${path}`;
  const hint = didYouMean(name.slice(0, 64), known, (nearest) => `"${nearest}"`);
  const rest = hint !== '' || known.length === 0 || known.length > 12 ? hint : ` Known are ${known.join(', ')}.`;
  return `there is no field ${excerpt(name)}${place}.${rest}`;
}

/** @param rivals of which only one may be given; `rival` is there already. */
export function misplacedBeside(path: string, rival: string, rivals: readonly string[]): string {
  return `${path} cannot stand beside ${rival}; only one of ${rivals.join(', ')} may be given.`;
}
