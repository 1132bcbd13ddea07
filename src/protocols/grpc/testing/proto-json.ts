/** The second implementation that the hand-written codec is checked against: the same messages by @bufbuild/protobuf. Tests only. */
import { fromBinary, fromJson, type JsonValue, toBinary, toJson } from '@bufbuild/protobuf';
import { protoRegistry } from '../messages.ts';

function typeOf(name: string) {
  return protoRegistry().getMessage(`inference.${name}`)!;
}

/** Written from JSON in proto field names. */
export function encodeReference(name: string, json: object): Buffer {
  return Buffer.from(toBinary(typeOf(name), fromJson(typeOf(name), json as JsonValue)));
}

/** As JSON in proto field names, absent fields left out. @throws when the bytes are no such message. */
// biome-ignore lint/suspicious/noExplicitAny: any message may be asked for.
export function decodeReference(name: string, bytes: Uint8Array): any {
  return toJson(typeOf(name), fromBinary(typeOf(name), bytes), { useProtoFieldName: true });
}
