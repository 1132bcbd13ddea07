/** The sentences about wrong fields of a request, built only once something is wrong. Never echoes more than a few characters. */
import { type HotpathError, invalidInput } from '../../core/errors.ts';

/** `inputs.x.shape: expected [?, 4], got [1, 5]`. */
export function expectedAt(field: string, expected: string, received: string): HotpathError {
  return invalidInput(field, `${field}: expected ${expected}, got ${received}`, expected, received);
}

/** `inputs.<name>`, the path of one input in every message about it; the name as the client wrote it, cut. */
export function inputField(name: string): string {
  return `inputs.${name.slice(0, 100)}`;
}

/** `outputs.<name>`. */
export function outputField(name: string): string {
  return `outputs.${name.slice(0, 100)}`;
}
