/** The classes of a target: their names, and what the exported model calls them. Called by the `train` command and export-pipeline.ts. */

export interface Classes {
  /** In the order of the probabilities: numbers ascending, text by code unit. */
  readonly names: readonly string[];
  /** Set when all classes are whole numbers. */
  readonly numbers: readonly number[] | undefined;
}

export const labelStyles = ['index', 'value'] as const;
/**
 * What the output `label` holds. `index`: the place of the class. `value`: the class itself, as int64 when all are whole numbers, else as string.
 */
export type LabelStyle = (typeof labelStyles)[number];

export function classesOf(values: readonly string[]): Classes {
  const names = [...new Set(values)].sort();
  const numbers = names.map(Number);
  const areNumbers = names.every((name, i) => /^[+-]?\d+(\.0*)?$/.test(name) && Number.isSafeInteger(numbers[i]));
  // "1" and "1.0" would be two classes of one number.
  if (!areNumbers || new Set(numbers).size < numbers.length) return { names, numbers: undefined };
  names.sort((a, b) => Number(a) - Number(b));
  return { names, numbers: names.map(Number) };
}

/** Whether the place of each class is the class. */
export function areIndices({ numbers }: Classes): boolean {
  return numbers?.every((value, index) => value === index) === true;
}
