/** What may name an entity. Checked by the protocols when they read a request, so that keys, paths and statements made of it are sane. */

export const maxEntityLength = 512;
/** Of one request. */
export const maxEntities = 1000;
export const entityRule = `text of 1 to ${maxEntityLength} characters without control characters`;

export function isEntity(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length > 0 &&
    value.length <= maxEntityLength &&
    !/\p{Cc}/u.test(value) &&
    // A lone surrogate has no UTF-8: two such names would become one on the wire.
    value.isWellFormed()
  );
}
