/**
 * Nested lists into one tensor's data. `shapeOf` guesses the shape along the first elements, `NestedTarget` then verifies
 * every list's length before anything is allocated (a few kilobytes of ragged lists must not claim gigabytes), and fills.
 */
import { type HotpathError, invalidInput } from '../../core/errors.ts';
import { allocate, type Datatype, elementCount, type TensorData } from '../../core/tensor.ts';
import { pluralOf, wrongLeaf } from './leaf-errors.ts';
import { fillLeaves } from './leaf-fill.ts';
import { describeValue } from './value-text.ts';

/** Lengths along the first elements; `[]` for a scalar. Lists nested deeper than any tensor end in a mismatch later. */
export function shapeOf(value: unknown): number[] {
  const shape: number[] = [];
  for (let inner = value; Array.isArray(inner) && shape.length < 256; inner = inner[0]) shape.push(inner.length);
  return shape;
}

/** One tensor being filled from nested lists of exactly `shape`. */
export class NestedTarget {
  readonly #root: string;
  /** Stands between the first index and the rest of a path: `instances[3].age[0]`. */
  readonly #suffix: string;
  readonly #datatype: Datatype;
  readonly #shape: readonly number[];
  readonly #allowNonFinite: boolean;

  constructor(root: string, suffix: string, datatype: Datatype, shape: readonly number[], allowNonFinite: boolean) {
    this.#root = root;
    this.#suffix = suffix;
    this.#datatype = datatype;
    this.#shape = shape;
    this.#allowNonFinite = allowNonFinite;
  }

  /** @throws INVALID_INPUT naming the first list or value that does not fit. */
  read(value: unknown): TensorData {
    this.#verify(value, 0, 0);
    const data = allocate(this.#datatype, elementCount(this.#shape));
    this.#fill(data, value, 0, 0);
    return data;
  }

  #verify(value: unknown, axis: number, position: number): void {
    const length = this.#shape[axis];
    if (length === undefined) {
      if (Array.isArray(value)) throw this.#wrongList(value, axis, position);
      return;
    }
    if (!Array.isArray(value) || value.length !== length) throw this.#wrongList(value, axis, position);
    if (axis === this.#shape.length - 1) return;
    for (let i = 0; i < length; i++) this.#verify(value[i], axis + 1, position * length + i);
  }

  /** `position` counts the lists of this axis, row-major; it is enough to find the path back. */
  #fill(data: TensorData, value: unknown, axis: number, position: number): void {
    const length = this.#shape[axis];
    if (length === undefined) {
      this.#fillList(data, [value], axis, 0);
      return;
    }
    const list = value as unknown[];
    if (axis === this.#shape.length - 1) this.#fillList(data, list, axis, position);
    else for (let i = 0; i < length; i++) this.#fill(data, list[i], axis + 1, position * length + i);
  }

  #fillList(data: TensorData, list: unknown[], axis: number, position: number): void {
    const wrong = fillLeaves(this.#datatype, data, position * list.length, list, this.#allowNonFinite);
    if (wrong < 0) return;
    const field = this.#shape.length === 0 ? this.#root : this.#path(axis + 1, position * list.length + wrong);
    throw wrongLeaf(field, this.#datatype, list[wrong]);
  }

  #wrongList(value: unknown, axis: number, position: number): HotpathError {
    const field = this.#path(axis, position);
    const length = this.#shape[axis];
    if (length === undefined) return wrongLeaf(field, this.#datatype, value);
    const last = axis === this.#shape.length - 1;
    const items = last ? pluralOf(this.#datatype) : 'lists';
    const received = Array.isArray(value) ? String(value.length) : describeValue(value);
    return invalidInput(
      field,
      `${field}: expected ${length} ${items}, got ${received}`,
      `${length} ${items}`,
      received,
    );
  }

  /** Path of the element number `position` among all elements of the first `axes` axes. */
  #path(axes: number, position: number): string {
    const indices: number[] = [];
    for (let axis = axes - 1; axis >= 0; axis--) {
      const length = this.#shape[axis]!;
      indices.unshift(position % length);
      position = Math.floor(position / length);
    }
    const [first, ...rest] = indices.map((index) => `[${index}]`);
    return `${this.#root}${first ?? ''}${this.#suffix}${rest.join('')}`;
  }
}
