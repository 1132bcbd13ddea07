/**
 * Class names from a label file of Triton's repository: one per line, the line's number being the class. Called by the model
 * source through the composition root, with the text of the file.
 */
import { HotpathError } from '../../core/errors.ts';

export const maxLabelFileBytes = 8 * 2 ** 20;
const maxLabels = 1_000_000;
const maxLabelLength = 1024;

/**
 * Lines are trimmed; an empty one inside the file is an empty name, so that the following keep their numbers. Empty lines at the
 * end are none.
 * @param fileName for the message
 * @throws INVALID_INPUT when the file is empty, too large, or no text.
 */
export function parseLabels(text: string, fileName: string): string[] {
  if (text.length > maxLabelFileBytes) throw wrong(fileName, 'is larger than 8 MiB.');
  if (text.includes('\0')) throw wrong(fileName, 'is no text file.');
  const labels = text
    .replace(/^\uFEFF/, '')
    .trimEnd()
    .split(/\r\n|\n|\r/);
  if (labels.length === 1 && labels[0] === '') throw wrong(fileName, 'is empty; expected one class name per line.');
  if (labels.length > maxLabels) throw wrong(fileName, `has more than ${maxLabels} lines.`);
  return labels.map((label, index) => {
    const trimmed = label.trim();
    if (trimmed.length <= maxLabelLength) return trimmed;
    throw wrong(fileName, `has a line longer than ${maxLabelLength} characters, line ${index + 1}.`);
  });
}

function wrong(fileName: string, rest: string): HotpathError {
  return new HotpathError('INVALID_INPUT', `The label file ${JSON.stringify(fileName)} ${rest}`, {
    field: 'label_filename',
  });
}
