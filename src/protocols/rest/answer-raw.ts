/** One output as its raw little-endian bytes, with datatype and shape in headers. */
import { HotpathError } from '../../core/errors.ts';
import type { InferResponse } from '../../core/types.ts';
import { bytesOf } from './answer-msgpack.ts';
import type { HeaderList } from './send.ts';

/** The first (or only requested) output. @throws UNSUPPORTED for strings. */
export function rawOutput(response: InferResponse, headers: HeaderList): Uint8Array {
  const output = response.outputs[0]!;
  const { datatype, shape, data, name } = output;
  if (Array.isArray(data)) {
    throw new HotpathError('UNSUPPORTED', 'String outputs have no raw form; accept JSON or MessagePack.', {
      field: 'Accept',
    });
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
