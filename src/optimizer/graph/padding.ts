/** The padding of convolutions and pools, whichever way the node says it. Called by passes and gradients that work on windows. Pure. */
import type { Node } from './node.ts';

/**
 * Zeros before and after one axis.
 * @param axis 0 for the first spatial one
 * @param kernel places of the kernel along it
 * @param input size of the input along it
 */
export function paddingOf(
  node: Pick<Node, 'ints' | 'text'>,
  axis: number,
  kernel: number,
  input: number,
): readonly [before: number, after: number] {
  const automatic = node.text('auto_pad', 'NOTSET');
  if (automatic === 'VALID') return [0, 0];
  if (automatic === 'NOTSET') {
    const pads = node.ints('pads', []);
    return [pads[axis] ?? 0, pads[axis + pads.length / 2] ?? 0];
  }
  const stride = node.ints('strides', [])[axis] ?? 1;
  const dilation = node.ints('dilations', [])[axis] ?? 1;
  const reach = (Math.ceil(input / stride) - 1) * stride + (kernel - 1) * dilation + 1;
  const total = Math.max(0, reach - input);
  const [less, more] = [Math.floor(total / 2), Math.ceil(total / 2)];
  return automatic === 'SAME_UPPER' ? [less, more] : [more, less];
}
