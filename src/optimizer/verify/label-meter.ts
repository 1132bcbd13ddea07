/**
 * Whether a variant names the same classes as the original, and as the labels where they are known. Called by verify.ts with the output
 * that decides: scores per class, of which the greatest counts, or the class itself.
 */
import type { Tensor, TensorSpec } from '../../core/tensor.ts';
import { toNumbers } from '../data/convert.ts';

export interface ClassChange {
  readonly label: string;
  /** Rows that the original puts into this class, and the variant. */
  readonly original: number;
  readonly variant: number;
  /** Rows that left the class and that came to it. */
  readonly lost: number;
  readonly gained: number;
}

export interface LabelDifference {
  readonly output: string;
  readonly rows: number;
  /** Share of rows with the same class. */
  readonly agreement: number;
  /** Of the original and the variant, where labels are known. */
  readonly accuracy: { readonly original: number; readonly variant: number } | undefined;
  /** Most changed first. */
  readonly classes: readonly ClassChange[];
}

const mostClasses = 20;

/** The output that says the class: integers or texts of one per row, else scores [rows, 2 or more], ones around it do not matter. */
export function labelOutput(outputs: readonly TensorSpec[]): TensorSpec | undefined {
  const isClass = ({ datatype, shape }: TensorSpec): boolean =>
    (shape.length === 1 || (shape.length === 2 && shape[1] === 1)) &&
    (datatype === 'int64' || datatype === 'int32' || datatype === 'string');
  const isScores = ({ datatype, shape: [, ...rest] }: TensorSpec): boolean => {
    const long = rest.filter((dim) => dim !== 1);
    return datatype.startsWith('float') && long.length === 1 && (long[0]! >= 2 || rest.length === 1);
  };
  return outputs.find(isClass) ?? outputs.find(isScores);
}

/** The class of each row, as text. */
export function classesOf(name: string, tensor: Tensor): string[] {
  const rows = tensor.shape[0] ?? 1;
  const width = tensor.data.length / Math.max(1, rows);
  if (Array.isArray(tensor.data)) return tensor.data.map(String);
  const values = toNumbers(name, tensor);
  if (width === 1) return Array.from(values, String);
  return Array.from({ length: rows }, (_, row) => String(greatest(values, row * width, width)));
}

function greatest(values: ArrayLike<number>, start: number, width: number): number {
  let best = 0;
  for (let index = 1; index < width; index++) if (values[start + index]! > values[start + best]!) best = index;
  return best;
}

export class LabelMeter {
  readonly #output: string;
  readonly #pairs = new Map<string, number>();
  #rows = 0;
  #same = 0;
  #labelled = 0;
  readonly #right = { original: 0, variant: 0 };

  constructor(output: string) {
    this.#output = output;
  }

  /** @param labels the right classes of these rows, as `classesOf` writes them */
  add(original: Tensor, variant: Tensor, labels: readonly string[] | undefined): void {
    const [before, after] = [classesOf(this.#output, original), classesOf(this.#output, variant)];
    for (const [row, label] of before.entries()) {
      const other = after[row] ?? '';
      this.#rows++;
      if (label === other) this.#same++;
      const pair = `${label}\n${other}`;
      this.#pairs.set(pair, (this.#pairs.get(pair) ?? 0) + 1);
      if (labels === undefined) continue;
      this.#labelled++;
      if (label === labels[row]) this.#right.original++;
      if (other === labels[row]) this.#right.variant++;
    }
  }

  result(): LabelDifference {
    const share = (count: number): number => count / Math.max(1, this.#labelled);
    return {
      output: this.#output,
      rows: this.#rows,
      agreement: this.#rows === 0 ? 1 : this.#same / this.#rows,
      accuracy:
        this.#labelled === 0
          ? undefined
          : { original: share(this.#right.original), variant: share(this.#right.variant) },
      classes: this.#classes(),
    };
  }

  #classes(): ClassChange[] {
    const changes = new Map<string, { original: number; variant: number; kept: number }>();
    const of = (label: string) => {
      const known = changes.get(label) ?? { original: 0, variant: 0, kept: 0 };
      changes.set(label, known);
      return known;
    };
    for (const [pair, count] of this.#pairs) {
      const [before = '', after = ''] = pair.split('\n');
      of(before).original += count;
      of(after).variant += count;
      if (before === after) of(before).kept += count;
    }
    return [...changes]
      .map(([label, { original, variant, kept }]) => ({
        label,
        original,
        variant,
        lost: original - kept,
        gained: variant - kept,
      }))
      .filter(({ lost, gained }) => lost + gained > 0)
      .toSorted((a, b) => b.lost + b.gained - a.lost - a.gained)
      .slice(0, mostClasses);
  }
}
