/** `sequence_batching` of a config.pbtxt: the control tensors the server fills and the states it keeps. Called by to-declared.ts. */
import type { Datatype } from '../../core/tensor.ts';
import type { DeclaredSequence, SequenceControl, SequenceState } from '../../ports/triton-config.ts';
import { wrongField } from './config-problem.ts';
import type { WrittenConfig } from './model-config-schema.ts';
import { checkDims, checkFileName, toDatatype } from './to-tensors.ts';

type Written = NonNullable<WrittenConfig['sequence_batching']>;
type WrittenControl = NonNullable<NonNullable<Written['control_input']>[number]['control']>[number];
type WrittenState = NonNullable<Written['state']>[number];

const defaultIdleMicroseconds = 1_000_000;

const controlKinds = {
  CONTROL_SEQUENCE_START: 'start',
  CONTROL_SEQUENCE_END: 'end',
  CONTROL_SEQUENCE_READY: 'ready',
  CONTROL_SEQUENCE_CORRID: 'correlation-id',
} as const;

const idDatatypes: readonly (Datatype | undefined)[] = ['uint64', 'int64', 'uint32', 'int32', 'string'];

/** @throws INVALID_INPUT naming the field. */
export function toSequence(written: Written): DeclaredSequence {
  const { oldest, direct, max_sequence_idle_microseconds: idle = 0 } = written;
  const maxSequences = oldest?.max_candidate_sequences ?? 0;
  return {
    strategy: oldest === undefined ? 'direct' : 'oldest',
    maxIdleMicroseconds: idle === 0 ? defaultIdleMicroseconds : idle,
    ...(maxSequences > 0 ? { maxSequences } : {}),
    maxDelayMicroseconds: (oldest ?? direct)?.max_queue_delay_microseconds ?? 0,
    controls: toControls(written),
    states: (written.state ?? []).map((state, index) => toState(`sequence_batching.state[${index}]`, state)),
  };
}

function toControls({ control_input: inputs = [] }: Written): SequenceControl[] {
  const controls = inputs.flatMap(({ name = '', control = [] }, index) => {
    const path = `sequence_batching.control_input[${index}]`;
    if (name === '') throw wrongField(`${path}.name`, 'is missing; it names the input of the model to fill.');
    return control.map((each, at) => toControl(`${path}.control[${at}]`, name, each));
  });
  for (const [index, { kind, input }] of controls.entries()) {
    const earlier = controls.slice(0, index);
    if (earlier.some((other) => other.kind === kind)) {
      throw wrongField('sequence_batching.control_input', `has two controls of the kind ${kind}.`);
    }
    if (earlier.some((other) => other.input === input)) {
      throw wrongField('sequence_batching.control_input', `gives the input "${input}" two controls.`);
    }
  }
  return controls;
}

function toControl(path: string, input: string, written: WrittenControl): SequenceControl {
  const kind = controlKinds[written.kind ?? 'CONTROL_SEQUENCE_START'];
  if (kind === 'correlation-id') {
    const datatype = toDatatype(`${path}.data_type`, written.data_type);
    if (datatype !== undefined && idDatatypes.includes(datatype)) return { input, kind, datatype };
    throw wrongField(`${path}.data_type`, 'must be TYPE_UINT64, TYPE_INT64, TYPE_UINT32, TYPE_INT32 or TYPE_STRING.');
  }
  const { int32_false_true: int32, fp32_false_true: float32, bool_false_true: bool } = written;
  const given = Object.entries({ int32, float32, bool: bool?.map(Number) }).filter(
    ([, values]) => values !== undefined,
  );
  const [datatype, values] = given[0] ?? ['', []];
  if (given.length === 1 && values?.length === 2) {
    return { input, kind, datatype: datatype as Datatype, falseTrue: [values[0]!, values[1]!] };
  }
  throw wrongField(path, 'needs one of int32_false_true, fp32_false_true and bool_false_true, with two values.');
}

function toState(path: string, written: WrittenState): SequenceState {
  const { input_name: input = '', output_name: output = '', dims = [], initial_state: initial = [] } = written;
  if (input === '') throw wrongField(`${path}.input_name`, 'is missing.');
  if (output === '') throw wrongField(`${path}.output_name`, 'is missing.');
  const datatype = toDatatype(`${path}.data_type`, written.data_type);
  if (datatype === undefined) throw wrongField(`${path}.data_type`, 'is missing.');
  checkDims(`${path}.dims`, dims);
  if (initial.length > 1) throw wrongField(`${path}.initial_state`, 'may be given once.');
  const initialFile = initial[0]?.data_file;
  if (initialFile !== undefined) checkFileName(`${path}.initial_state[0].data_file`, initialFile);
  const initialDims = initial[0]?.dims;
  if (initialDims !== undefined) checkDims(`${path}.initial_state[0].dims`, initialDims);
  return {
    input,
    output,
    datatype,
    dims,
    ...(initialDims === undefined || initialDims.length === 0 ? {} : { initialDims }),
    ...(initialFile === undefined ? {} : { initialFile }),
  };
}
