/** Checks of the options of trainers. Called by each trainer before it starts, so that no training ends in NaN. */
import { invalidInput } from '../core/errors.ts';

/** @throws INVALID_INPUT naming the option. */
export function wholeOption(name: string, value: number, min: number, max: number): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw invalidInput(name, `${name} must be a whole number from ${min} to ${max}.`, `${min} to ${max}`, String(value));
}

/** @throws INVALID_INPUT naming the option. */
export function numberOption(name: string, value: number, min: number, max: number): number {
  if (value >= min && value <= max) return value;
  throw invalidInput(name, `${name} must be from ${min} to ${max}.`, `${min} to ${max}`, String(value));
}
