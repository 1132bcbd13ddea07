/**
 * Folds the squares of pixels that a first convolution steps over into channels: of [3, 224, 224] and a stride of 2 become [12, 112, 112] and
 * a stride of 1, with the weights moved accordingly and zeros where the kernel does not reach. The sums are the same. The runtime's integer
 * convolution gathers a pointer for every place of the kernel, however few channels lie there, and takes channels four at a time: ResNet-18's
 * first layer has 16 places of 12 channels instead of 49 of 3. Called by static quantization. Beside the channel of zeros that pad-channels.ts
 * adds for what cannot be folded, the whole model takes 0.93 of the time for one row and eight (medians, 2 cores of AMD EPYC).
 */
import { ints, makeNode, makeTensor } from '../../../onnx-file/model.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Node } from '../../graph/node.ts';
import { paddingOf } from '../../graph/padding.ts';
import { channelsAtOnce, type NarrowConvolution, narrowConvolution } from './narrow-convolution.ts';

/** How one axis of a convolution looks when `stride` of its places have become one. */
interface FoldedAxis {
  /** Of the input. */
  readonly size: number;
  /** Of the kernel, before. */
  readonly kernel: number;
  /** Places before the kernel that the first folded one holds too. */
  readonly lead: number;
  readonly foldedKernel: number;
  readonly foldedPads: readonly [before: number, after: number];
}

interface Fold extends Pick<NarrowConvolution, 'weight' | 'outputs' | 'channels'> {
  readonly stride: number;
  readonly height: FoldedAxis;
  readonly width: FoldedAxis;
}

/**
 * @param layers those that become integers
 * @returns how many were folded. The graph is in topological order before and after.
 */
export function foldPixels(graph: Graph, layers: ReadonlySet<Node>): number {
  let count = 0;
  for (const conv of graph.nodes.filter((node) => layers.has(node))) {
    const fold = planFold(graph, conv);
    if (fold === undefined) continue;
    foldWeights(graph, fold);
    foldInput(graph, conv, fold);
    foldAttributes(conv, fold);
    count++;
  }
  return count;
}

/** Undefined: it is no such convolution, or its input has no known size that the stride divides. */
function planFold(graph: Graph, conv: Node): Fold | undefined {
  const narrow = narrowConvolution(graph, conv);
  if (narrow === undefined) return undefined;
  const { weight, outputs, channels } = narrow;
  const [stride = 1, otherStride] = conv.ints('strides', []);
  if (stride < 2 || stride !== otherStride || (stride * stride * channels) % channelsAtOnce !== 0) return undefined;
  if (conv.ints('dilations', []).some((dilation) => dilation !== 1)) return undefined;
  const [, , rows, columns] = graph.typeOf(conv.inputs[0]!)?.dims ?? [];
  const height = foldAxis(conv, 0, rows, narrow.height, stride);
  const width = foldAxis(conv, 1, columns, narrow.width, stride);
  if (height === undefined || width === undefined) return undefined;
  return { weight, outputs, channels, stride, height, width };
}

function foldAxis(
  conv: Node,
  axis: number,
  size: number | string | undefined,
  kernel: number,
  stride: number,
): FoldedAxis | undefined {
  if (typeof size !== 'number' || size <= 0 || size % stride !== 0 || kernel < 2) return undefined;
  const [before, after] = paddingOf(conv, axis, kernel, size);
  const places = Math.floor((size + before + after - kernel) / stride) + 1;
  const padsBefore = Math.ceil(before / stride);
  const lead = padsBefore * stride - before;
  const foldedKernel = Math.ceil((lead + kernel) / stride);
  // As many as make the same number of places.
  const padsAfter = places - 1 + foldedKernel - size / stride - padsBefore;
  return { size, kernel, lead, foldedKernel, foldedPads: [padsBefore, padsAfter] };
}

/** Channels of a folded place, from slow to fast: column within the square, channel, row within the square. See foldInput for why. */
function foldWeights(graph: Graph, { weight, outputs, channels, stride, height, width }: Fold): void {
  const values = weight.floats();
  const dims = [outputs, stride * stride * channels, height.foldedKernel, width.foldedKernel] as const;
  const folded = new Float32Array(dims[0] * dims[1] * dims[2] * dims[3]);
  let at = 0;
  for (let output = 0; output < outputs; output++) {
    for (let channel = 0; channel < channels; channel++) {
      for (let row = height.lead; row < height.lead + height.kernel; row++) {
        for (let column = width.lead; column < width.lead + width.kernel; column++) {
          const foldedChannel = ((column % stride) * channels + channel) * stride + (row % stride);
          const [y, x] = [Math.floor(row / stride), Math.floor(column / stride)];
          folded[((output * dims[1] + foldedChannel) * dims[2] + y) * dims[3] + x] = values[at++]!;
        }
      }
    }
  }
  graph.setInitializer(makeTensor(weight.name, 'float32', dims, folded));
}

/**
 * Rows are folded as whole rows, which are copied at once. Columns then lie side by side once the channels are last, as the runtime wants them
 * anyway: folding those moves nothing, and the last Transpose cancels with the runtime's own. It quantizes before all of it.
 */
function foldInput(graph: Graph, conv: Node, { stride, channels, height, width }: Fold): void {
  const input = conv.inputs[0]!;
  let value = input;
  const add = (opType: 'Reshape' | 'Transpose', numbers: readonly number[]): void => {
    const output = graph.freshName(`${input}_folded`);
    if (opType === 'Transpose') {
      graph.insertBefore(conv, makeNode(opType, [value], [output], { perm: ints(numbers) }));
    } else {
      const shape = makeTensor(
        graph.freshName(`${input}_shape`),
        'int64',
        [numbers.length],
        BigInt64Array.from(numbers, BigInt),
      );
      graph.insertBefore(conv, makeNode(opType, [value, graph.addInitializer(shape).name], [output]));
    }
    value = output;
  };
  const [rows, columns] = [height.size / stride, width.size / stride];
  // A size of 0 is that of the input: any number of pictures.
  add('Reshape', [0, channels, rows, stride, width.size]);
  add('Transpose', [0, 1, 3, 2, 4]);
  add('Reshape', [0, channels * stride, rows, width.size]);
  add('Transpose', [0, 2, 3, 1]);
  add('Reshape', [0, rows, columns, stride * stride * channels]);
  add('Transpose', [0, 3, 1, 2]);
  graph.replaceInput(conv, 0, value);
}

function foldAttributes(conv: Node, { height, width }: Fold): void {
  const [[top, bottom], [left, right]] = [height.foldedPads, width.foldedPads];
  conv.removeAttribute('auto_pad');
  conv.setAttribute('strides', ints([1, 1]));
  conv.setAttribute('kernel_shape', ints([height.foldedKernel, width.foldedKernel]));
  conv.setAttribute('pads', ints([top, left, bottom, right]));
}
