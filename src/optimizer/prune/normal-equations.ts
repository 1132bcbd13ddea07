/**
 * Sums X'X and X'(Z - XW) over rows that come in pieces, with the products done by ONNX Runtime: a layer of 2,304 inputs takes
 * 43 billion of them, half a second there and half a minute here. Sums of pieces are kept in float64. Called by the repair pass.
 */
import type { Tensor } from '../../core/tensor.ts';
import { encodeModel } from '../../onnx-file/encode.ts';
import type { Node } from '../../onnx-file/model.ts';
import { int, makeModel, makeNode, makeValueInfo } from '../../onnx-file/model.ts';
import type { ModelRunner, OpenModel } from '../pass.ts';

/** Rows per product: float32 sums stay exact enough. */
const pieceRows = 1024;

export class NormalEquations {
  /** [width, width] */
  readonly gram: Float64Array;
  /** [width, columns]: what the remaining error still has to do with the inputs. */
  readonly cross: Float64Array;
  readonly #width: number;
  readonly #columns: number;
  readonly #products: OpenModel;
  readonly #errors: OpenModel;

  private constructor(width: number, columns: number, products: OpenModel, errors: OpenModel) {
    this.gram = new Float64Array(width * width);
    this.cross = new Float64Array(width * columns);
    this.#width = width;
    this.#columns = columns;
    this.#products = products;
    this.#errors = errors;
  }

  static async open(runner: ModelRunner, width: number, columns: number): Promise<NormalEquations> {
    const products = await runner.open(productModel());
    try {
      return new NormalEquations(width, columns, products, await runner.open(errorModel()));
    } catch (error) {
      await products.close();
      throw error;
    }
  }

  async add(x: Float32Array<ArrayBuffer>, z: Float32Array<ArrayBuffer>, w: Float32Array<ArrayBuffer>): Promise<void> {
    for (const feeds of this.#pieces(x, z, w)) {
      const { gram, cross } = await this.#products.run(feeds);
      addTo(this.gram, gram!.data as Float32Array);
      addTo(this.cross, cross!.data as Float32Array);
    }
  }

  /** Sum of squares of Z - XW. */
  async squaredError(
    x: Float32Array<ArrayBuffer>,
    z: Float32Array<ArrayBuffer>,
    w: Float32Array<ArrayBuffer>,
  ): Promise<number> {
    let sum = 0;
    for (const feeds of this.#pieces(x, z, w)) sum += ((await this.#errors.run(feeds)).sum!.data as Float32Array)[0]!;
    return sum;
  }

  async close(): Promise<void> {
    await this.#products.close();
    await this.#errors.close();
  }

  *#pieces(
    x: Float32Array<ArrayBuffer>,
    z: Float32Array<ArrayBuffer>,
    w: Float32Array<ArrayBuffer>,
  ): Iterable<Record<string, Tensor>> {
    const rows = x.length / this.#width;
    const [width, columns] = [this.#width, this.#columns];
    for (let start = 0; start < rows; start += pieceRows) {
      const end = Math.min(rows, start + pieceRows);
      yield {
        x: { datatype: 'float32', shape: [end - start, width], data: x.subarray(start * width, end * width) },
        z: { datatype: 'float32', shape: [end - start, columns], data: z.subarray(start * columns, end * columns) },
        w: { datatype: 'float32', shape: [width, columns], data: w },
      };
    }
  }
}

function addTo(sums: Float64Array, values: Float32Array): void {
  for (let i = 0; i < sums.length; i++) sums[i] = sums[i]! + values[i]!;
}

const error = [makeNode('MatMul', ['x', 'w'], ['xw']), makeNode('Sub', ['z', 'xw'], ['e'])];

function productModel(): Uint8Array {
  const products = [
    makeNode('Gemm', ['x', 'x'], ['gram'], { transA: int(1) }),
    makeNode('Gemm', ['x', 'e'], ['cross'], { transA: int(1) }),
  ];
  return modelOf([...error, ...products], { gram: ['width', 'width'], cross: ['width', 'columns'] });
}

function errorModel(): Uint8Array {
  const squares = [makeNode('Mul', ['e', 'e'], ['ee']), makeNode('ReduceSum', ['ee'], ['sum'], { keepdims: int(0) })];
  return modelOf([...error, ...squares], { sum: [] });
}

function modelOf(nodes: readonly Node[], outputs: Readonly<Record<string, readonly string[]>>): Uint8Array {
  return encodeModel(
    makeModel({
      opsets: [{ domain: '', version: 13 }],
      graph: {
        name: 'normal_equations',
        nodes,
        initializers: [],
        inputs: [
          makeValueInfo('x', 'float32', ['rows', 'width']),
          makeValueInfo('z', 'float32', ['rows', 'columns']),
          makeValueInfo('w', 'float32', ['width', 'columns']),
        ],
        outputs: Object.entries(outputs).map(([name, dims]) => makeValueInfo(name, 'float32', dims)),
      },
    }),
  );
}
