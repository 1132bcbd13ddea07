/**
 * The kinds of values model.json knows: each checks one JSON value and says in words what it expects.
 * Used by the table in model-config.ts only. A kind returns the value or `invalid`; it never throws.
 */

export const invalid: unique symbol = Symbol('invalid');

/** One field of model.json: how it is written, what it does, and the check of its value. */
export interface ModelField<T> {
  /** The type for people, with its limits; also the "expected" of error messages. */
  readonly type: string;
  /** What holds when the field is absent, in words. */
  readonly fallback: string;
  readonly help: string;
  readonly check: (value: unknown) => T | typeof invalid;
  /** Of an object whose own fields have rules and rows of their own; `check` then sees only what is no object. */
  // biome-ignore lint/suspicious/noExplicitAny: a table holds fields of different types
  readonly fields?: Readonly<Record<string, ModelField<any>>>;
}

/** A table with a line for every field of `T`. */
export type Fields<T> = { readonly [Name in keyof Required<T>]: ModelField<Required<T>[Name]> };

export type Kind<T> = Pick<ModelField<T>, 'type' | 'check'>;

export function integer(min: number, max: number): Kind<number> {
  return {
    type: `integer from ${min} to ${max}`,
    check: (value) => (Number.isSafeInteger(value) && inRange(value as number, min, max) ? (value as number) : invalid),
  };
}

export function number(min: number, max: number): Kind<number> {
  return {
    type: `number from ${min} to ${max}`,
    check: (value) => (typeof value === 'number' && inRange(value, min, max) ? value : invalid),
  };
}

export const boolean: Kind<boolean> = {
  type: 'true or false',
  check: (value) => (typeof value === 'boolean' ? value : invalid),
};

export function oneOf<const T extends string>(values: readonly T[]): Kind<T> {
  return {
    type: `one of ${values.map((value) => `"${value}"`).join(', ')}`,
    check: (value) => values.find((legal) => legal === value) ?? invalid,
  };
}

/** A list whose items all pass `item`; `minItems` 1 refuses the empty list. */
export function listOf<T>(item: Kind<T>, type: string, minItems: number, maxItems: number): Kind<readonly T[]> {
  return {
    type,
    check: (value) => {
      if (!Array.isArray(value) || value.length < minItems || value.length > maxItems) return invalid;
      const items: T[] = [];
      for (const entry of value) {
        const checked = item.check(entry);
        if (checked === invalid) return invalid;
        items.push(checked);
      }
      return items;
    },
  };
}

export const text: Kind<string> = {
  type: 'string',
  check: (value) => (typeof value === 'string' ? value : invalid),
};

/** A version as model.json writes it: "3"; the number 3 is taken too. */
export const version: Kind<string> = {
  type: 'version number',
  check: (value) => {
    const written = typeof value === 'number' ? String(value) : value;
    return typeof written === 'string' && /^[1-9][0-9]{0,15}$/.test(written) ? written : invalid;
  },
};

export const versionPolicy: Kind<{ readonly latest: number } | 'all' | readonly string[]> = {
  type: '"all", {"latest": n} with n from 1, or a list of version numbers',
  check: (value) => {
    if (value === 'all') return value;
    if (Array.isArray(value)) return listOf(version, '', 1, 10_000).check(value);
    if (!isObject(value) || Object.keys(value).length !== 1) return invalid;
    const latest = integer(1, 10_000).check(value.latest);
    return latest === invalid ? invalid : { latest };
  },
};

/** Labels must not look like version numbers, or a request could mean two things. */
export const labels: Kind<Readonly<Record<string, string>>> = {
  type: 'object of label -> version number; a label starts with a letter',
  check: (value) => {
    if (!isObject(value)) return invalid;
    const checked: Record<string, string> = {};
    for (const [label, target] of Object.entries(value)) {
      const known = version.check(target);
      if (known === invalid || !/^[A-Za-z][A-Za-z0-9._-]{0,127}$/.test(label)) return invalid;
      checked[label] = known;
    }
    return checked;
  },
};

export const object: Kind<Readonly<Record<string, unknown>>> = {
  type: 'object',
  check: (value) => (isObject(value) ? structuredClone(value) : invalid),
};

/** An object whose own fields are checked one by one. */
export function nested<T>(fields: Fields<T>): Pick<ModelField<T>, 'type' | 'check' | 'fields'> {
  return { type: 'object', check: () => invalid, fields };
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function inRange(value: number, min: number, max: number): boolean {
  return value >= min && value <= max;
}
