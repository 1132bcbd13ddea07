/** What training aims at, row by row: labels as one-hot rows or values, or a teacher's answers. Called by fine-tune.ts. */
import { HotpathError, invalidInput } from '../../core/errors.ts';
import type { Tensor } from '../../core/tensor.ts';
import { elementCount } from '../../core/tensor.ts';
import { convertTensor } from '../data/convert.ts';
import type { Graph } from '../graph/graph.ts';
import { openGraph } from '../graph/open-graph.ts';
import type { Dataset, PassContext } from '../pass.ts';
import { throwIfCancelled } from '../prune/cancel.ts';
import type { FineTuneSettings } from './fine-tune.ts';
import type { Loss } from './loss.ts';
import { fixedRows, onlyInputs } from './shapes.ts';
import { outputsOnly } from './step-inputs.ts';

export interface TargetRows {
  readonly loss: Loss;
  /** The value that the loss looks at: logits rather than probabilities. */
  readonly output: (graph: Graph) => string;
  /** Writes the targets of `row` to `into` from `start`; `size` numbers. */
  readonly write: (row: number, into: Float32Array, start: number, size: number) => void;
}

/** @throws INVALID_INPUT where the model has no such output of float32, or of float16 */
export function outputOf(graph: Graph, wanted: string | undefined): string {
  const isFloat = (name: string): boolean => [undefined, 'float32', 'float16'].includes(graph.typeOf(name)?.datatype);
  const found = wanted ?? graph.outputs.find(({ name }) => isFloat(name))?.name;
  if (found !== undefined && graph.isGraphOutput(found) && isFloat(found)) return found;
  throw invalidInput(
    'output',
    `The model has no float32 output${wanted === undefined ? '' : ` "${wanted}"`} to train.`,
  );
}

/** The output before it is cast for callers who want float16: what is trained is float32. */
function singleOf(graph: Graph, output: string): string {
  const producer = graph.producerOf(output);
  const isCast = producer?.opType === 'Cast' && graph.typeOf(output)?.datatype === 'float16';
  return isCast ? producer.inputs[0]! : output;
}

/** The input of a closing Softmax, whose own gradient vanishes where the model is sure. */
export function logitsOf(graph: Graph, output: string): string {
  const single = singleOf(graph, output);
  const producer = graph.producerOf(single);
  return producer?.opType === 'Softmax' && producer.domain === '' ? producer.inputs[0]! : single;
}

export function labelTargets(
  graph: Graph,
  output: string | undefined,
  labels: ArrayLike<number>,
  wanted: Loss | undefined,
): TargetRows {
  const name = outputOf(graph, output);
  const columns = graph.typeOf(name)?.dims?.at(-1);
  const loss = wanted ?? (columns === 1 ? 'mse' : 'cross-entropy');
  if (loss === 'mse') {
    return {
      loss,
      output: (model) => singleOf(model, name),
      write: (row, into, start, size) => into.fill(labels[row]!, start, start + size),
    };
  }
  const write = (row: number, into: Float32Array, start: number, size: number): void => {
    const label = labels[row]!;
    if (!Number.isInteger(label) || label < 0 || label >= size) {
      throw new HotpathError(
        'INVALID_INPUT',
        `The label of row ${row + 1} is ${label}, where the model has ${size} classes.`,
      );
    }
    into[start + label] = 1;
  };
  return { loss, output: (model) => logitsOf(model, name), write };
}

/** Runs the teacher over all rows once. */
export async function teacherTargets(
  teacher: Graph,
  data: Dataset,
  settings: FineTuneSettings,
  { runner, signal }: Pick<PassContext, 'runner' | 'signal'>,
): Promise<TargetRows> {
  const name = outputOf(teacher, settings.output);
  const logits = logitsOf(teacher, name);
  const loss = settings.loss ?? (logits === singleOf(teacher, name) ? 'mse' : 'cross-entropy');
  const answer = loss === 'mse' ? name : logits;
  const open = await openGraph(outputsOnly(teacher, [answer]), runner);
  const answers: Float32Array[] = [];
  try {
    const atOnce = fixedRows(open.inputs) ?? 16;
    for (let start = 0; start < data.rows; start += atOnce) {
      throwIfCancelled(signal);
      const results = await open.run(onlyInputs(data.slice(start, Math.min(atOnce, data.rows - start)), open.inputs));
      answers.push(...splitRows(convertTensor(answer, results[answer]!, 'float32'), settings, loss));
    }
  } finally {
    await open.close();
  }
  const write = (row: number, into: Float32Array, start: number): void => into.set(answers[row]!, start);
  return { loss, output: (model) => (loss === 'mse' ? singleOf(model, name) : logitsOf(model, name)), write };
}

function splitRows({ shape, data }: Tensor, { temperature = 1 }: FineTuneSettings, loss: Loss): Float32Array[] {
  const size = elementCount(shape.slice(1));
  const classes = shape.at(-1) ?? 1;
  return Array.from({ length: shape[0] ?? 0 }, (_, row) => {
    const values = (data as Float32Array).slice(row * size, (row + 1) * size);
    if (loss === 'cross-entropy')
      for (let at = 0; at < size; at += classes) softmax(values.subarray(at, at + classes), temperature);
    return values;
  });
}

/** In place. */
function softmax(values: Float32Array, temperature: number): void {
  let greatest = Number.NEGATIVE_INFINITY;
  for (const value of values) greatest = Math.max(greatest, value);
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] = Math.exp((values[i]! - greatest) / temperature);
  for (let i = 0; i < values.length; i++) values[i] = values[i]! / sum;
}
