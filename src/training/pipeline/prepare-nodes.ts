/** What prepare.ts does, as ONNX nodes. Called by export-pipeline.ts. Plain operators, and LabelEncoder for text. */
import { float, floats, int, makeValueInfo, strings } from '../../onnx-file/model.ts';
import type { GraphBuilder } from './graph-builder.ts';
import { castTo } from './graph-builder.ts';
import type { CategoryPlan, NumberPlan, PreparePlan } from './prepare.ts';

export const tensorInput = 'features';

/** Adds the graph's inputs and what makes a matrix [batch, columns] of them; returns the matrix's name. */
export function addPrepareNodes(graph: GraphBuilder, plan: PreparePlan): string {
  const numbers = plan.columns.filter((part) => part.kind === 'number');
  addInputs(graph, plan);
  const parts: string[] = [];
  if (numbers.length > 0) {
    const names = numbers.map(({ name }) => name);
    const block = plan.inputs === 'tensor' ? tensorInput : concat(graph, names);
    parts.push(addNumberNodes(graph, plan, numbers, block));
  }
  for (const part of plan.columns) {
    if (part.kind === 'text') parts.push(addTextNodes(graph, part));
    if (part.kind === 'code') parts.push(addCodeNodes(graph, part, part.name));
  }
  return concat(graph, parts);
}

function addInputs(graph: GraphBuilder, plan: PreparePlan): void {
  if (plan.inputs === 'tensor') {
    graph.inputs.push(makeValueInfo(tensorInput, 'float32', ['batch', plan.columns.length]));
    return;
  }
  for (const { name, kind } of plan.columns) {
    graph.inputs.push(makeValueInfo(name, kind === 'text' ? 'string' : 'float32', ['batch', 1]));
  }
}

function concat(graph: GraphBuilder, parts: readonly string[]): string {
  return parts.length === 1 ? parts[0]! : graph.add('Concat', parts, { axis: int(1) });
}

function addNumberNodes(graph: GraphBuilder, plan: PreparePlan, numbers: readonly NumberPlan[], block: string): string {
  const row = (values: readonly number[]) => graph.floats([1, values.length], values);
  let current = block;
  if (plan.imputed) {
    const fills = row(numbers.map(({ fill }) => fill ?? Number.NaN));
    current = graph.add('Where', [graph.add('IsNaN', [current]), fills, current]);
  }
  if (!plan.scaled) return current;
  const centred = graph.add('Sub', [current, row(numbers.map(({ offset }) => offset))]);
  return graph.add('Mul', [centred, row(numbers.map(({ factor }) => factor))]);
}

/** Text to the index of its category (-1 if there is none), and from there as a code. */
function addTextNodes(graph: GraphBuilder, { name, categories, missing }: CategoryPlan<string>): string {
  const known = categories.map((value, index): [string, number] => [value, index]);
  if (missing >= 0 && !categories.includes('')) known.push(['', missing]);
  const attributes = {
    keys_strings: strings(known.map(([value]) => value)),
    values_floats: floats(known.map(([, index]) => index)),
    default_float: float(-1),
  };
  const codes = graph.add('LabelEncoder', [name], attributes, { domain: 'ai.onnx.ml' });
  return addOneHot(graph, codes, [...categories.keys()]);
}

function addCodeNodes(graph: GraphBuilder, { categories, missing }: CategoryPlan<number>, input: string): string {
  if (missing < 0) return addOneHot(graph, input, categories);
  const stand = graph.floats([1, 1], [categories[missing]!]);
  return addOneHot(graph, graph.add('Where', [graph.add('IsNaN', [input]), stand, input]), categories);
}

function addOneHot(graph: GraphBuilder, codes: string, categories: readonly number[]): string {
  const equal = graph.add('Equal', [codes, graph.floats([1, categories.length], categories)]);
  return graph.add('Cast', [equal], { to: int(castTo.float32) });
}
