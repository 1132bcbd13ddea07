/**
 * All messages but the hot ones, by @bufbuild/protobuf from the descriptors of proto/: requests become plain objects, answers are
 * made from JSON in the form Triton's REST API has (snake_case names, enums by name), so that both protocols share one builder.
 */
import {
  createFileRegistry,
  type DescMessage,
  type FileRegistry,
  fromBinary,
  fromJson,
  toBinary,
} from '@bufbuild/protobuf';
import { base64Decode } from '@bufbuild/protobuf/wire';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { invalidInput } from '../../core/errors.ts';
import { descriptorSet } from './descriptor-set.ts';

let loaded: FileRegistry | undefined;

/** Every type of proto/. Made on first use: only servers with gRPC pay for it. */
export function protoRegistry(): FileRegistry {
  loaded ??= createFileRegistry(fromBinary(FileDescriptorSetSchema, base64Decode(descriptorSet)));
  return loaded;
}

/**
 * Reads a message of type `name`; the fields of `T` are its fields in camelCase, with defaults where absent.
 * @throws INVALID_INPUT.
 */
export function readMessage<T>(name: string, message: Buffer): T {
  const type = typeOf(name);
  try {
    return fromBinary(type, message, { readUnknownFields: false }) as T;
  } catch {
    throw invalidInput('message', `The message is no valid ${name}.`, name);
  }
}

/** Writes a message of type `name` from its JSON form. @throws Error when the JSON does not fit: a bug of ours. */
export function writeMessage(name: string, json: object): Uint8Array {
  const type = typeOf(name);
  const options = { registry: protoRegistry(), ignoreUnknownFields: true };
  return toBinary(type, fromJson(type, json as Parameters<typeof fromJson>[1], options));
}

/** A file of proto/ as a serialized FileDescriptorProto, for reflection; undefined when there is none of this name. */
export function fileDescriptor(name: string): Uint8Array | undefined {
  const file = protoRegistry().getFile(name);
  return file === undefined ? undefined : toBinary(FileDescriptorProtoSchema, file.proto);
}

function typeOf(name: string): DescMessage {
  const type = protoRegistry().getMessage(name);
  if (type === undefined) throw new Error(`proto/ has no message ${name}.`);
  return type;
}
