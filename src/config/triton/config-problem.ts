/** How this folder says that a config.pbtxt is wrong although its text can be read. Used by the files that give it a meaning. */
import { type HotpathError, invalidInput } from '../../core/errors.ts';

/** @param field path in the file, such as `input[0].dims`; `rest` continues a sentence that begins with it */
export function wrongField(field: string, rest: string): HotpathError {
  return invalidInput(field, `config.pbtxt: ${field} ${rest}`);
}
