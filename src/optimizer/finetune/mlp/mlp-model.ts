/** A perceptron as plain numbers, and as an ONNX model. Called by train-mlp.ts and by whoever exports what it trained. Pure. */
import type { Node, OnnxModel, TensorLiteral } from '../../../onnx-file/model.ts';
import { int, makeModel, makeNode, makeTensor, makeValueInfo } from '../../../onnx-file/model.ts';
import type { Random } from '../../../ports/clock.ts';

export type Activation = 'relu' | 'tanh' | 'sigmoid';

export interface MlpLayer {
  readonly inputs: number;
  readonly outputs: number;
  /** Row-major, [inputs, outputs]. */
  readonly weights: Float32Array<ArrayBuffer>;
  readonly bias: Float32Array<ArrayBuffer>;
}

export interface Mlp {
  readonly task: 'classification' | 'regression';
  readonly activation: Activation;
  /** At least one; the activation stands between them, not behind the last. */
  readonly layers: readonly MlpLayer[];
}

const activationOps = { relu: 'Relu', tanh: 'Tanh', sigmoid: 'Sigmoid' } as const;

/** He's (Relu) or Glorot's scale, normally distributed; biases of 0. `widths`: features, hidden layers, outputs. */
export function randomMlp(widths: readonly number[], task: Mlp['task'], activation: Activation, random: Random): Mlp {
  const layers = widths.slice(1).map((outputs, index): MlpLayer => {
    const inputs = widths[index]!;
    const deviation = Math.sqrt(activation === 'relu' ? 2 / inputs : 2 / (inputs + outputs));
    const weights = Float32Array.from({ length: inputs * outputs }, () => normal(random) * deviation);
    return { inputs, outputs, weights, bias: new Float32Array(outputs) };
  });
  return { task, activation, layers };
}

/** Box and Muller's. */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/**
 * `features` float32 [batch, F] -> `logits` or `values` float32 [batch, outputs]; a classifier may give `label` int64 [batch]
 * and `probabilities` float32 [batch, C] instead of logits.
 */
export function mlpToOnnx(
  mlp: Mlp,
  { answers = 'probabilities' }: { readonly answers?: 'probabilities' | 'logits' } = {},
): OnnxModel {
  const nodes: Node[] = [];
  const initializers: TensorLiteral[] = [];
  const classifies = mlp.task === 'classification';
  const sums = classifies ? 'logits' : 'values';
  let value = 'features';
  for (const [index, { inputs, outputs, weights, bias }] of mlp.layers.entries()) {
    const isLast = index === mlp.layers.length - 1;
    const [w, b] = [`weights${index}`, `bias${index}`];
    initializers.push(makeTensor(w, 'float32', [inputs, outputs], weights), makeTensor(b, 'float32', [outputs], bias));
    const made = isLast ? sums : `sums${index}`;
    nodes.push(makeNode('Gemm', [value, w, b], [made]));
    value = `hidden${index}`;
    if (!isLast) nodes.push(makeNode(activationOps[mlp.activation], [made], [value]));
  }
  const width = mlp.layers.at(-1)!.outputs;
  const outputs = [makeValueInfo(sums, 'float32', ['batch', width])];
  if (classifies && answers === 'probabilities') {
    nodes.push(makeNode('Softmax', ['logits'], ['probabilities'], { axis: int(-1) }));
    nodes.push(makeNode('ArgMax', ['logits'], ['label'], { axis: int(-1), keepdims: int(0) }));
    outputs.splice(
      0,
      1,
      makeValueInfo('label', 'int64', ['batch']),
      makeValueInfo('probabilities', 'float32', ['batch', width]),
    );
  }
  const inputs = [makeValueInfo('features', 'float32', ['batch', mlp.layers[0]!.inputs])];
  const graph = { name: 'mlp', nodes, initializers, inputs, outputs };
  return makeModel({ opsets: [{ domain: '', version: 17 }], graph });
}
