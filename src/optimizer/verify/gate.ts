/**
 * Whether a variant is good enough to be written: one rule per kind of model, each with the sentence that the report shows.
 * Called by plan/. Pure.
 */
import { sameOverlap } from './box-meter.ts';
import type { FusionProof } from './fusion-proof.ts';
import type { VariantDifference } from './verify.ts';

export interface Verdict {
  readonly passed: boolean;
  /** Why, as people read it. */
  readonly reason: string;
}

/**
 * Detectors: of the boxes that it or the original finds, `maxDrop` may differ. Classifiers: accuracy (with labels) or agreement with the original (without) may fall by `maxDrop`. Others: at most `maxDrop` of an
 * output's variance may be missed, so that R² falls by no more.
 * @param maxDrop share, such as 0.01
 */
export function judge(difference: VariantDifference, maxDrop: number, proof?: FusionProof): Verdict {
  const broken = difference.outputs.find(({ notFinite }) => notFinite > 0);
  if (broken !== undefined)
    return refused(`Output "${broken.name}" is not finite, or has another shape, on some rows.`);
  if (proof !== undefined && !proof.proven) return refused(proof.problems.join(' '));
  const { labels, boxes } = difference;
  if (boxes !== undefined) {
    const text = `Keeps ${boxes.kept} of ${boxes.boxes} boxes in ${boxes.pictures} pictures (same class, overlap above ${sameOverlap}), invents ${boxes.invented}`;
    return within(1 - boxes.agreement, maxDrop, text);
  }
  if (labels?.accuracy !== undefined) {
    const drop = labels.accuracy.original - labels.accuracy.variant;
    const text = `Accuracy ${percent(labels.accuracy.original)} -> ${percent(labels.accuracy.variant)}`;
    return within(drop, maxDrop, `${text} on ${labels.rows} labelled rows`);
  }
  if (labels !== undefined) {
    return within(1 - labels.agreement, maxDrop, `Same class on ${percent(labels.agreement)} of ${labels.rows} rows`);
  }
  const worst = difference.outputs.reduce((most, output) => (output.unexplained > most.unexplained ? output : most));
  return within(
    worst.unexplained,
    maxDrop,
    `Output "${worst.name}" misses ${percent(worst.unexplained)} of the variance`,
  );
}

function within(drop: number, maxDrop: number, text: string): Verdict {
  // One row of a hundred is 0.01 only within rounding.
  const passed = drop <= maxDrop + 1e-9;
  return passed ? { passed, reason: `${text}.` } : refused(`${text}; at most ${percent(maxDrop)} may be lost.`);
}

function refused(reason: string): Verdict {
  return { passed: false, reason };
}

/** `99.3 %`. */
export function percent(share: number): string {
  const digits = share !== 0 && Math.abs(share) < 0.001 ? 3 : Math.abs(share) > 0.999 && share !== 1 ? 2 : 1;
  return `${(100 * share).toFixed(digits)} %`;
}
