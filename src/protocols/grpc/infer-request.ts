/**
 * ModelInferRequest from its bytes, by hand: the one message where a general codec costs more than the model. Called once per
 * prediction by the gRPC methods. Raw contents and byte elements are views of `message`, which must therefore stay as it is until
 * the tensors are made. Unknown fields are skipped. Field numbers: proto/open_inference.proto.
 */
import { HotpathError, invalidInput } from '../../core/errors.ts';
import type { OipContents, OipInput, OipOutputRequest, OipParameters, OipRequest } from '../oip/request.ts';
import { ContentsReader, emptyContents } from './infer-contents.ts';
import { readParameter } from './infer-parameters.ts';
import { WireReader, wireTypes } from './wire-reader.ts';

export interface InferRequestLimits {
  /** Most inputs, and most requested outputs. */
  readonly maxInputs: number;
  /** Most dimensions of an input. */
  readonly maxDims: number;
}

/** An input before it is known whether its bytes come raw. */
interface PendingInput {
  name: string;
  datatype: string;
  readonly shape: number[];
  parameters: Record<string, boolean | number | bigint | string> | undefined;
  contents: ContentsReader | undefined;
}

/** @throws INVALID_INPUT, UNSUPPORTED (shared memory). */
export function decodeInferRequest(message: Buffer, limits: InferRequestLimits): OipRequest {
  const reader = new WireReader(message);
  let model = '';
  let version = '';
  let id = '';
  let parameters: PendingInput['parameters'];
  const inputs: PendingInput[] = [];
  let outputs: OipOutputRequest[] | undefined;
  let raw: Buffer[] | undefined;
  while (reader.pos < reader.end) {
    switch (reader.tag()) {
      case 1:
        model = reader.text('model_name');
        break;
      case 2:
        version = reader.text('model_version');
        break;
      case 3:
        id = reader.text('id');
        break;
      case 4:
        parameters = readParameter(reader, parameters, 'parameters');
        break;
      case 5:
        if (inputs.length >= limits.maxInputs) throw tooMany('inputs', limits.maxInputs);
        inputs.push(readInput(reader, inputs.length, limits));
        break;
      case 6:
        outputs ??= [];
        if (outputs.length >= limits.maxInputs) throw tooMany('outputs', limits.maxInputs);
        outputs.push(readOutput(reader));
        break;
      case 7:
        raw ??= [];
        if (raw.length >= limits.maxInputs) throw tooMany('raw_input_contents', limits.maxInputs);
        raw.push(reader.bytes('raw_input_contents'));
        break;
      default:
        reader.skip();
    }
  }
  return {
    model,
    version: version === '' ? undefined : version,
    id: id === '' ? undefined : id,
    parameters,
    inputs: finishInputs(inputs, raw),
    outputs,
  };
}

function readInput(reader: WireReader, index: number, limits: InferRequestLimits): PendingInput {
  const input: PendingInput = { name: '', datatype: '', shape: [], parameters: undefined, contents: undefined };
  const outer = reader.open('inputs');
  while (reader.pos < reader.end) {
    switch (reader.tag()) {
      case 1:
        input.name = reader.text('inputs.name');
        break;
      case 2:
        input.datatype = reader.text('inputs.datatype');
        break;
      case 3:
        readShape(reader, input.shape, index, limits.maxDims);
        break;
      case 4:
        input.parameters = readParameter(reader, input.parameters, 'inputs.parameters');
        break;
      case 5: {
        input.contents ??= new ContentsReader(index);
        const inside = reader.open('inputs.contents');
        input.contents.read(reader);
        reader.close(inside);
        break;
      }
      default:
        reader.skip();
    }
  }
  reader.close(outer);
  return input;
}

function readOutput(reader: WireReader): OipOutputRequest {
  let name = '';
  let parameters: PendingInput['parameters'];
  const outer = reader.open('outputs');
  while (reader.pos < reader.end) {
    const field = reader.tag();
    if (field === 1) name = reader.text('outputs.name');
    else if (field === 2) parameters = readParameter(reader, parameters, 'outputs.parameters');
    else reader.skip();
  }
  reader.close(outer);
  return { name, parameters };
}

/** Packed or one by one; both may be mixed. */
function readShape(reader: WireReader, shape: number[], index: number, maxDims: number): void {
  const single = reader.wireType === wireTypes.varint;
  const outer = single ? reader.end : reader.open('inputs.shape');
  do {
    if (!single && reader.pos >= reader.end) break;
    if (shape.length >= maxDims) {
      const field = `inputs[${index}].shape`;
      throw invalidInput(field, `${field}: expected at most ${maxDims} dimensions.`, `at most ${maxDims} dimensions`);
    }
    shape.push(reader.int64AsNumber('shape'));
  } while (!single);
  reader.close(outer);
}

function finishInputs(pending: readonly PendingInput[], raw: readonly Buffer[] | undefined): OipInput[] {
  if (raw !== undefined && raw.length !== pending.length) {
    const expected = `${pending.length}, one per input`;
    const message = `raw_input_contents: expected ${expected}, got ${raw.length}.`;
    throw invalidInput('raw_input_contents', message, expected, String(raw.length));
  }
  return pending.map((input, index) => {
    const { name, datatype, shape, parameters } = input;
    return { name, datatype, shape, parameters, contents: contentsOf(input, index, raw?.[index]) };
  });
}

function contentsOf(input: PendingInput, index: number, bytes: Buffer | undefined): OipContents {
  if (bytes !== undefined) {
    if (input.contents === undefined) return { kind: 'raw', bytes };
    const field = `inputs[${index}].contents`;
    const message = `${field}: must be absent, as raw_input_contents is present; the two cannot be mixed.`;
    throw invalidInput(field, message, 'nothing');
  }
  if (input.contents !== undefined) return input.contents.finish(input.datatype);
  if (isInSharedMemory(input.parameters)) {
    const message = `inputs[${index}]: shared memory is not offered; send the contents in the message.`;
    throw new HotpathError('UNSUPPORTED', message, { field: `inputs[${index}].parameters` });
  }
  return emptyContents(input.datatype);
}

function isInSharedMemory(parameters: OipParameters | undefined): boolean {
  return parameters !== undefined && Object.hasOwn(parameters, 'shared_memory_region');
}

function tooMany(field: string, limit: number): HotpathError {
  return invalidInput(field, `${field}: expected at most ${limit}.`, `at most ${limit}`);
}
