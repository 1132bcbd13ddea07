/** One output as its raw little-endian bytes, with datatype and shape in headers. */
import { invalidInput } from '../../core/errors.ts';
import type { InferResponse } from '../../core/types.ts';
import { bytesOf } from './answer-msgpack.ts';
import { contentTypes } from './body-format.ts';
import type { HeaderList } from './wire.ts';

/** The first (or only requested) output. @throws INVALID_INPUT for strings. */
export function rawOutput(response: InferResponse, headers: HeaderList): Uint8Array {
  const output = response.outputs[0]!;
  const { datatype, shape, data, name } = output;
  if (Array.isArray(data)) {
    const expected = `application/json or ${contentTypes.msgpack}`;
    throw invalidInput('Accept', 'String outputs have no raw form; accept JSON or MessagePack.', expected);
  }
  headers.push(
    'x-tensor-datatype',
    datatype,
    'x-tensor-shape',
    shape.join(','),
    'x-tensor-name',
    encodeURIComponent(name),
  );
  return bytesOf(data);
}
