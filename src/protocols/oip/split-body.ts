/**
 * The body of an infer request into its JSON and the binary tensors behind it, by Inference-Header-Content-Length. Views of the
 * body, never copies. Called once per request before anything is parsed.
 */
import { HotpathError } from '../../core/errors.ts';
import { quote } from '../codecs/value-text.ts';
import { expectedAt } from './field-errors.ts';

export interface SplitBody {
  /** Undefined for a raw request: `binary` then is one input's bytes. */
  readonly json: Buffer | undefined;
  readonly binary: Buffer;
}

const headerName = 'Inference-Header-Content-Length';
const nothing = Buffer.alloc(0);

/**
 * Without the header the whole body is JSON; 0 makes it a raw request.
 * @throws INVALID_INPUT when the header is no length or longer than the body, PAYLOAD_TOO_LARGE when the JSON is.
 */
export function splitBody(body: Buffer, header: string | string[] | undefined, maxJsonBytes: number): SplitBody {
  const length = header === undefined ? body.length : readLength(header, body.length);
  if (header !== undefined && length === 0) return { json: undefined, binary: body };
  if (length > maxJsonBytes) {
    throw new HotpathError(
      'PAYLOAD_TOO_LARGE',
      `The JSON part of the body is larger than ${maxJsonBytes} bytes; send large tensors as binary data.`,
      { expected: `at most ${maxJsonBytes} bytes` },
    );
  }
  if (length === body.length) return { json: body, binary: nothing };
  return { json: body.subarray(0, length), binary: body.subarray(length) };
}

function readLength(header: string | string[], bodyLength: number): number {
  const text = String(header);
  if (!/^\d{1,15}$/.test(text)) throw expectedAt(headerName, 'the number of bytes of the JSON part', quote(text));
  const length = Number(text);
  if (length <= bodyLength) return length;
  throw expectedAt(headerName, `at most the ${bodyLength} bytes of the body`, text);
}
