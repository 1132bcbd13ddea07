/**
 * The short request forms: `features` (one row) and `instances` (rows), for single-input models as lists and for models
 * with several inputs as objects by input name. The caller has parsed the body; what comes out has the model's shapes.
 */
import { type HotpathError, invalidInput } from '../../core/errors.ts';
import { allocate, fitsPattern, formatShape, type Tensor } from '../../core/tensor.ts';
import type { ModelView } from '../../core/types.ts';
import { pluralOf, wrongLeaf } from './leaf-errors.ts';
import { fillLeaves } from './leaf-fill.ts';
import { NestedTarget, shapeOf } from './nested-fill.ts';
import { fillNumbers, type NumberRow } from './number-row.ts';
import { takeFloats } from './row-memory.ts';
import { planRow, type RowPlan, solveShape } from './row-plan.ts';
import { describeValue, listNames, quote } from './value-text.ts';

/** One row as tensors in signature order. @throws INVALID_INPUT. */
export function readFeatures(value: unknown, model: ModelView): Tensor[] {
  const { inputs } = model.signature;
  const first = inputs[0];
  if (inputs.length === 1 && !isObject(value))
    return [readRow('features', value, planRow(first!, model.batchable), model)];
  const row = expectObject('features', value, model);
  checkNames('features', row, model);
  return inputs.map((spec) => {
    const field = `features.${spec.name}`;
    if (!Object.hasOwn(row, spec.name)) throw missingInput(field, spec.name);
    return readRow(field, row[spec.name], planRow(spec, model.batchable), model);
  });
}

/** The fast way for one flat row of floats; undefined when it is not just that, and then the parsed body is to be read. */
export function readNumberRow(row: NumberRow, model: ModelView): Tensor | undefined {
  const { inputs } = model.signature;
  const plan = inputs.length === 1 ? planRow(inputs[0]!, model.batchable) : undefined;
  const datatype = plan?.spec.datatype;
  if (plan === undefined || plan.rowCount < 1 || (datatype !== 'float32' && datatype !== 'float64')) return undefined;
  const data = takeFloats(datatype, plan.rowCount);
  return fillNumbers(row, data) ? { datatype, shape: plan.oneRow, data } : undefined;
}

/** Rows as tensors with a leading axis of their number. @throws INVALID_INPUT. */
export function readInstances(value: unknown, model: ModelView): Tensor[] {
  if (!Array.isArray(value) || value.length === 0) {
    const received = describeValue(value);
    throw invalidInput(
      'instances',
      `instances: expected a list of at least one row, got ${received}`,
      'a list',
      received,
    );
  }
  const { inputs } = model.signature;
  if (inputs.length === 1 && !isObject(value[0])) {
    return [readRows('', value, planRow(inputs[0]!, model.batchable), model)];
  }
  const rows = value.map((row, index) => {
    const named = expectObject(`instances[${index}]`, row, model);
    checkNames(`instances[${index}]`, named, model);
    return named;
  });
  return inputs.map((spec) => {
    const column = rows.map((row, index) => {
      if (!Object.hasOwn(row, spec.name)) throw missingInput(`instances[${index}].${spec.name}`, spec.name);
      return row[spec.name];
    });
    return readRows(`.${spec.name}`, column, planRow(spec, model.batchable), model);
  });
}

function readRow(field: string, value: unknown, plan: RowPlan, model: ModelView): Tensor {
  const { datatype } = plan.spec;
  // The hot case: a flat list of exactly one row's values.
  if (Array.isArray(value) && value.length === plan.rowCount && typeof value[0] !== 'object') {
    const data = allocate(datatype, value.length);
    const wrong = fillLeaves(datatype, data, 0, value, model.nan === 'allow');
    if (wrong >= 0) throw wrongLeaf(`${field}[${wrong}]`, datatype, value[wrong]);
    return { datatype, shape: plan.oneRow, data };
  }
  const sent = shapeOf(value);
  const row = resolveRow(sent, plan);
  if (row === undefined) throw wrongRow(field, value, sent, plan);
  const data = new NestedTarget(field, '', datatype, sent, model.nan === 'allow').read(value);
  return { datatype, shape: plan.leads ? [1, ...row] : row, data };
}

function readRows(suffix: string, rows: unknown[], plan: RowPlan, model: ModelView): Tensor {
  const { datatype } = plan.spec;
  checkRowAxis(rows.length, plan);
  // The first row decides the form; every other row must have the same.
  const sent = shapeOf(rows[0]);
  const row = resolveRow(sent, plan);
  if (row === undefined) throw wrongRow(`instances[0]${suffix}`, rows[0], sent, plan);
  const target = new NestedTarget('instances', suffix, datatype, [rows.length, ...sent], model.nan === 'allow');
  return { datatype, shape: [rows.length, ...row], data: target.read(rows) };
}

function checkRowAxis(rows: number, { spec, leads }: RowPlan): void {
  const leading = spec.shape[0];
  if (leads && (leading === -1 || leading === rows)) return;
  const expected = leads ? `${leading} row` : 'one input without a row axis';
  throw invalidInput(
    'instances',
    `instances: the model takes ${expected} per request (shape ${formatShape(spec.shape)}), got ${rows} rows`,
    expected,
    `${rows} rows`,
  );
}

/** The row's real shape for a value of shape `sent`: as it is, with its leading axis of 1 written out, or flat. */
function resolveRow(sent: readonly number[], { rowShape, leads, spec }: RowPlan): readonly number[] | undefined {
  if (fitsPattern(sent, rowShape)) return sent;
  if (leads && sent[0] === 1 && sent.length === spec.shape.length && fitsPattern(sent.slice(1), rowShape))
    return sent.slice(1);
  if (sent.length > 1) return undefined;
  const solved = solveShape(rowShape, sent[0] ?? 1);
  if (solved === undefined && sent.length === 0 && rowShape.every((dim) => dim === -1 || dim === 1)) {
    return rowShape.map(() => 1);
  }
  return solved;
}

function wrongRow(field: string, value: unknown, sent: readonly number[], plan: RowPlan): HotpathError {
  const { rowCount, rowShape, spec } = plan;
  const items = pluralOf(spec.datatype);
  if (sent.length === 0 && (typeof value === 'object' || value === undefined)) {
    const received = describeValue(value);
    return invalidInput(
      field,
      `${field}: expected a list of ${items}, got ${received}`,
      `a list of ${items}`,
      received,
    );
  }
  if (sent.length <= 1 && rowCount >= 0 && rowShape.length > 0) {
    const received = String(sent[0] ?? describeValue(value));
    return invalidInput(
      field,
      `${field}: expected ${rowCount} ${items}, got ${received}`,
      `${rowCount} ${items}`,
      received,
    );
  }
  if (plan.leads && sent.length === spec.shape.length && fitsPattern(sent.slice(1), rowShape)) {
    const message = `${field}: expected one row, got ${sent[0]}; send several rows as "instances"`;
    return invalidInput(field, message, 'one row', `${sent[0]} rows`);
  }
  const expected = formatShape(rowShape);
  const received = formatShape(sent);
  return invalidInput(field, `${field}: expected shape ${expected}, got ${received}`, expected, received);
}

/** Inputs are named exactly once each; names of the prototype chain do not count. @throws INVALID_INPUT. */
export function checkNames(field: string, named: Record<string, unknown>, model: ModelView): void {
  const { inputs } = model.signature;
  for (const name of Object.keys(named)) {
    if (inputs.some((spec) => spec.name === name)) continue;
    const known = listNames(inputs.map((spec) => spec.name));
    throw invalidInput(
      `${field}.${name.slice(0, 100)}`,
      `Unknown input ${quote(name)}; the model has: ${known}`,
      known,
      name.slice(0, 100),
    );
  }
}

export function missingInput(field: string, name: string): HotpathError {
  return invalidInput(field, `Missing input ${quote(name)}: expected it at ${field}`, 'a value', 'nothing');
}

function expectObject(field: string, value: unknown, model: ModelView): Record<string, unknown> {
  if (isObject(value)) return value;
  const { inputs } = model.signature;
  const names = listNames(inputs.map((spec) => spec.name));
  const received = describeValue(value);
  throw invalidInput(
    field,
    `${field}: the model has ${inputs.length} inputs; expected an object with ${names}, got ${received}`,
    'an object',
    received,
  );
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}
