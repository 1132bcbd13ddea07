/**
 * Which models a caller sees and may name outside of inference (there core asks the same question). One sentence for models that are
 * there and models that are not: whoever may not ask learns neither. With `auth` off there is no caller and everything is open.
 */
import { mayAsk } from '../core/access/role.ts';
import { HotpathError } from '../core/errors.ts';
import type { Caller } from '../ports/access.ts';

/** `model`: a name, or a pattern, which must then lie within one of the caller's. @throws PERMISSION_DENIED. */
export function checkModel(caller: Caller | undefined, model: string): void {
  if (caller === undefined || mayAsk(caller, model)) return;
  throw new HotpathError('PERMISSION_DENIED', `The caller may not use the model "${model.slice(0, 100)}".`, {
    field: 'model',
  });
}

/** Those of a list that the caller may ask; the list itself where it may ask all. */
export function visibleTo<T extends { readonly name: string }>(
  caller: Caller | undefined,
  models: readonly T[],
): readonly T[] {
  if (caller?.models === undefined) return models;
  return models.filter(({ name }) => mayAsk(caller, name));
}
