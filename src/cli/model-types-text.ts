/**
 * Signatures as the TypeScript interface that `createClient<Models>()` takes. Called by `hotpath types`; pure, and the same text for
 * the same models, laid out as biome and prettier would with two spaces, single quotes and 120 columns.
 */
import type { TensorSpec } from '../core/tensor.ts';

export interface TypedModel {
  readonly name: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

const maxColumns = 120;

/** `origin`: where the signatures are from; `command`: what writes the file anew. */
export function renderModelTypes(models: readonly TypedModel[], origin: string, command: string): string {
  const sorted = [...models].sort((a, b) => (a.name < b.name ? -1 : 1));
  return `${header(origin, command)}
export interface Models {
${sorted.map(renderModel).join('')}}
`;
}

function header(origin: string, command: string): string {
  return `/**
 * The models of ${harmless(origin)} as types for createClient<Models>(). Do not edit; write it anew with
 *
 *   ${harmless(command)}
 */`;
}

/** Within a comment. */
function harmless(text: string): string {
  return text.replaceAll('*/', '* /').replaceAll(/[\r\n\u2028\u2029]/g, ' ');
}

function renderModel({ name, inputs, outputs }: TypedModel): string {
  return `  ${key(name)}: {
    inputs: ${renderTensors(inputs)}
    outputs: ${renderTensors(outputs)}
  };
`;
}

function renderTensors(tensors: readonly TensorSpec[]): string {
  if (tensors.length === 0) return '{};';
  return `{
${tensors.map(renderTensor).join('')}    };`;
}

function renderTensor({ name, datatype, shape }: TensorSpec): string {
  const dims = shape.map((dim) => (dim < 0 ? 'number' : String(dim)));
  // An empty shape is a scalar or a rank that the model does not tell; only the second type is right for both.
  const tuple = dims.length === 0 ? 'number[]' : `[${dims.join(', ')}]`;
  const line = `      ${key(name)}: { datatype: '${datatype}'; shape: ${tuple} };`;
  if (line.length <= maxColumns) return `${line}\n`;
  return `      ${key(name)}: {
        datatype: '${datatype}';
        shape: ${tuple.length + 16 <= maxColumns ? tuple : brokenTuple(dims)};
      };
`;
}

function brokenTuple(dims: readonly string[]): string {
  return `[\n${dims.map((dim) => `          ${dim},\n`).join('')}        ]`;
}

/** Quoted only where it must be. */
function key(name: string): string {
  if (/^[A-Za-z_$][\w$]*$/.test(name)) return name;
  const text = JSON.stringify(name)
    .slice(1, -1)
    .replaceAll(/\u2028|\u2029/g, (mark) => `\\u${mark.charCodeAt(0).toString(16)}`);
  // As both formatters: the quotes that need fewer escapes.
  const double = name.includes("'") && name.split("'").length > name.split('"').length;
  return double ? `"${text}"` : `'${text.replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
}
