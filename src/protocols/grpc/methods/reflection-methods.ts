/** Server reflection, v1 and v1alpha: how grpcurl and the like learn the services. Answers from the descriptors of proto/. */
import type { DescFile } from '@bufbuild/protobuf';
import type { Method } from '../call.ts';
import { frameOf } from '../frame.ts';
import { fileDescriptor, protoRegistry, readMessage, writeMessage } from '../messages.ts';
import { grpcStatus } from '../status.ts';

type Json = Record<string, unknown>;

interface ReflectionRequest {
  readonly host: string;
  readonly messageRequest:
    | { readonly case: undefined }
    | { readonly case: 'fileByFilename' | 'fileContainingSymbol' | 'allExtensionNumbersOfType'; readonly value: string }
    | { readonly case: 'listServices'; readonly value: string }
    | { readonly case: 'fileContainingExtension'; readonly value: { readonly containingType: string } };
}

/** `version`: of the package. `services`: full names of all services of the server. */
export function reflectionMethod(version: 'v1' | 'v1alpha', services: readonly string[]): Method {
  const prefix = `grpc.reflection.${version}.ServerReflection`;
  return (call) => ({
    onMessage(message) {
      const request = readMessage<ReflectionRequest>(`${prefix}Request`, message);
      const answer = { valid_host: request.host, ...echo(request), ...respond(request, services) };
      call.send(frameOf(writeMessage(`${prefix}Response`, answer)));
    },
    onEnd() {
      call.finish();
    },
    onGone() {},
  });
}

function respond({ messageRequest: request }: ReflectionRequest, services: readonly string[]): Json {
  switch (request.case) {
    case 'listServices':
      return { list_services_response: { service: services.map((name) => ({ name })) } };
    case 'fileByFilename':
      return files(protoRegistry().getFile(request.value), `file ${request.value}`);
    case 'fileContainingSymbol':
      return files(fileOfSymbol(request.value), `symbol ${request.value}`);
    case 'allExtensionNumbersOfType':
      if (fileOfSymbol(request.value) === undefined) return notFound(`type ${request.value}`);
      return { all_extension_numbers_response: { base_type_name: request.value } };
    case 'fileContainingExtension':
      return notFound(`extension of ${request.value.containingType}`);
    default:
      return errorResponse(grpcStatus.INVALID_ARGUMENT, 'The request asks for nothing.');
  }
}

/** The request comes back in the answer, as published; extensions are not told apart. */
function echo({ host, messageRequest: request }: ReflectionRequest): Json {
  const original: Json = { host };
  if (request.case === 'fileContainingExtension') {
    original.file_containing_extension = { containing_type: request.value.containingType };
  } else if (request.case !== undefined) original[protoName(request.case)] = request.value;
  return { original_request: original };
}

function protoName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The file and everything it imports. */
function files(file: DescFile | undefined, what: string): Json {
  if (file === undefined) return notFound(what);
  const names = new Set<string>();
  const collect = (one: DescFile): void => {
    if (names.has(one.proto.name)) return;
    names.add(one.proto.name);
    for (const imported of one.dependencies) collect(imported);
  };
  collect(file);
  const encoded = [...names].map((name) => Buffer.from(fileDescriptor(name)!).toString('base64'));
  return { file_descriptor_response: { file_descriptor_proto: encoded } };
}

/** Of a service, a method, a message or an enum by its full name. */
function fileOfSymbol(symbol: string): DescFile | undefined {
  const registry = protoRegistry();
  const found = registry.get(symbol);
  if (found !== undefined) return found.file;
  const dot = symbol.lastIndexOf('.');
  const owner = registry.get(symbol.slice(0, dot));
  const member = symbol.slice(dot + 1);
  if (owner?.kind === 'service') return owner.methods.some(({ name }) => name === member) ? owner.file : undefined;
  if (owner?.kind === 'message') return owner.fields.some(({ name }) => name === member) ? owner.file : undefined;
  return undefined;
}

function notFound(what: string): Json {
  return errorResponse(grpcStatus.NOT_FOUND, `The server has no ${what.slice(0, 200)}.`);
}

function errorResponse(code: number, message: string): Json {
  return { error_response: { error_code: code, error_message: message } };
}
