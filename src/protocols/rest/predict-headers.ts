/**
 * What headers may say of a predict request: X-Timeout-Ms and X-Priority for every format (the body's options win), and for
 * raw bodies, which have no fields, X-Tensor-Shape and X-Tensor-Outputs.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { invalidInput } from '../../core/errors.ts';
import { emptyBody, type PredictBody, readNames, readPriority, readTimeout } from './predict-body.ts';

/** Fills what the body left open. @throws INVALID_INPUT naming the header. */
export function applyHeaders(body: PredictBody, headers: IncomingHttpHeaders): void {
  const timeout = headers['x-timeout-ms'];
  if (timeout !== undefined) body.timeoutMs ??= readTimeout('X-Timeout-Ms', numberOf(timeout));
  const priority = headers['x-priority'];
  if (priority !== undefined) body.priority ??= readPriority('X-Priority', numberOf(priority));
}

/** The body that a raw request would have had. @throws INVALID_INPUT. */
export function rawBodyFields(headers: IncomingHttpHeaders, maxInputs: number): PredictBody {
  const body = emptyBody('features');
  const outputs = headers['x-tensor-outputs'];
  if (typeof outputs === 'string') {
    body.outputs = readNames(
      'X-Tensor-Outputs',
      outputs.split(',').map((name) => name.trim()),
      maxInputs,
    );
  }
  return body;
}

/** `1,3,224,224`, also with brackets or spaces; undefined when the header is absent. */
export function rawShapeOf(headers: IncomingHttpHeaders): readonly number[] | undefined {
  const header = headers['x-tensor-shape'];
  if (header === undefined) return undefined;
  const text = String(header).replaceAll(/[[\]\s]/g, '');
  if (text === '') return [];
  if (text.length > 1000 || !/^\d+(?:,\d+)*$/.test(text)) {
    throw invalidInput('X-Tensor-Shape', 'X-Tensor-Shape: expected dimensions such as 1,3,224,224.', 'dimensions');
  }
  return text.split(',').map(Number);
}

/** Text that is no plain number stays text, so that the error shows it. */
function numberOf(header: string | string[]): number | string {
  const text = String(header);
  return /^\d{1,10}(?:\.\d{1,6})?$/.test(text) ? Number(text) : text;
}
