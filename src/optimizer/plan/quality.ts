/** How good a variant's answers are, in the words of its kind of model. Called by the terminal's table and by the report. Pure. */
import { percent } from '../verify/gate.ts';
import { lossOf } from './choose.ts';
import type { OptimizeResult, VariantResult } from './result.ts';

type Judged = Pick<OptimizeResult, 'task' | 'data'>;

/** `Same class`. */
export function qualityTitle({ task, data }: Judged): string {
  if (task === 'regression') return 'Lost';
  if (task === 'detection') return 'Same boxes';
  return data.labelled ? 'Accuracy' : 'Same class';
}

/** `99.3 %`; of the original only the accuracy is worth saying. */
export function qualityOf({ state, difference }: VariantResult, { task, variants }: OptimizeResult): string {
  if (state === 'original') return originalAccuracy(variants);
  if (difference === undefined) return '-';
  const { labels, boxes } = difference;
  if (task === 'regression') return percent(lossOf(difference));
  return percent(boxes?.agreement ?? labels?.accuracy?.variant ?? labels?.agreement ?? 0);
}

/** Every comparison knows it. */
function originalAccuracy(variants: readonly VariantResult[]): string {
  const accuracy = variants.find(({ difference }) => difference?.labels?.accuracy)?.difference?.labels?.accuracy;
  return accuracy === undefined ? '' : percent(accuracy.original);
}

/** `36.1 dB`, of the worst output. */
export function worstSqnr({ difference }: VariantResult): string {
  if (difference === undefined || difference.outputs.length === 0) return '-';
  const worst = Math.min(...difference.outputs.map(({ sqnrDb }) => sqnrDb));
  return worst >= 150 ? 'exact' : `${worst.toFixed(1)} dB`;
}
