/**
 * The JSON of an infer request as the field writes it. The plain reader goes first and is all that good requests cost; only what
 * it refuses or rounds is looked at again, and only in bodies small enough not to hold up the event loop.
 */
import { maxSmallJsonBytes, readJson } from '../codecs/read-json.ts';
import { quoteOddNumbers } from './quote-odd-numbers.ts';
import type { OipInput, OipRequest } from './request.ts';

/** No deeper than what was read before. */
const anyDepth = 10_000;

/** As readJson, but takes bare NaN, Infinity and -Infinity in lists as the strings of that name. @throws as readJson. */
export function readInferJson(bytes: Buffer, maxDepth: number): unknown {
  try {
    return readJson(bytes, maxDepth);
  } catch (error) {
    const small = bytes.length <= maxSmallJsonBytes;
    if (!small || !(bytes.includes('NaN') || bytes.includes('Infinity'))) throw error;
    const quoted = quoteOddNumbers(bytes.toString());
    if (quoted === undefined) throw error;
    try {
      return readJson(Buffer.from(quoted), maxDepth);
    } catch {
      // Its positions would be of the other text.
      throw error;
    }
  }
}

/** Whether a parser may have rounded something that matters. */
export function hasWideIntegers(request: OipRequest): boolean {
  return request.inputs.some(isWide);
}

/** The request with the 64-bit integers of its text, every digit kept; undefined when there are none beyond 15 digits. */
export function withExactIntegers(request: OipRequest, source: Buffer): OipRequest | undefined {
  const quoted = source.length <= maxSmallJsonBytes ? quoteOddNumbers(source.toString()) : undefined;
  if (quoted === undefined) return undefined;
  const exact = readJson(Buffer.from(quoted), anyDepth) as { readonly inputs: readonly { readonly data: unknown }[] };
  const inputs = request.inputs.map((input, index): OipInput => {
    if (!isWide(input)) return input;
    return { ...input, contents: { kind: 'json', value: exact.inputs[index]!.data } };
  });
  return { ...request, inputs };
}

function isWide({ datatype, contents }: OipInput): boolean {
  return contents.kind === 'json' && (datatype === 'INT64' || datatype === 'UINT64');
}
