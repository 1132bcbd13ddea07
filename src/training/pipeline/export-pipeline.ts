/** Preparation and model as one ONNX file. Called by the `train` command. Names of inputs are the table's; an output never takes one of them. */
import { encodeModel } from '../../onnx-file/encode.ts';
import { int, ints, makeModel, makeValueInfo, string, strings } from '../../onnx-file/model.ts';
import type { Classes, LabelStyle } from './classes.ts';
import { areIndices } from './classes.ts';
import { GraphBuilder } from './graph-builder.ts';
import type { PreparePlan } from './prepare.ts';
import { addPrepareNodes } from './prepare-nodes.ts';
import type { ModelValues, TrainedModel } from './trained-model.ts';

export interface Pipeline {
  readonly plan: PreparePlan;
  readonly model: TrainedModel;
  /** Set for classification. */
  readonly classes: Classes | undefined;
  readonly labelStyle: LabelStyle;
}

/** Names of the graph's outputs. `value` is the predicted number, or the distance from the centre of the cluster. */
export interface OutputNames {
  readonly label: string | undefined;
  readonly probabilities: string | undefined;
  readonly value: string | undefined;
}

/**
 * `label` [batch] and `probabilities` [batch, classes] of a classification, `prediction` [batch] of a regression, `label` and `distance` of
 * a clustering. Standard operators of opset 17, TreeEnsembleRegressor and LabelEncoder of ai.onnx.ml 3.
 */
export function exportPipeline(pipeline: Pipeline): { bytes: Uint8Array<ArrayBuffer>; outputs: OutputNames } {
  const { plan, model } = pipeline;
  const graph = new GraphBuilder();
  const values = model.addTo(graph, addPrepareNodes(graph, plan));
  const outputs = addOutputs(graph, values, pipeline);
  const { nodes, initializers, inputs } = graph;
  const bytes = encodeModel(
    makeModel({
      opsets: [
        { domain: '', version: 17 },
        { domain: 'ai.onnx.ml', version: 3 },
      ],
      graph: { name: model.kind, nodes, initializers, inputs, outputs: graph.outputs },
    }),
  );
  return { bytes, outputs };
}

function addOutputs(graph: GraphBuilder, values: ModelValues, pipeline: Pipeline): OutputNames {
  const taken = new Set(graph.inputs.map(({ name }) => name));
  const free = (name: string): string => (taken.has(name) ? free(`predicted_${name}`) : name);
  const [label, probabilities] = [free('label'), free('probabilities')];
  if (values.task === 'classification') {
    addLabelOutput(graph, values.label, label, pipeline);
    graph.add('Identity', [values.probabilities], {}, { output: probabilities });
    graph.outputs.push(makeValueInfo(probabilities, 'float32', ['batch', pipeline.classes!.names.length]));
    return { label, probabilities, value: undefined };
  }
  if (values.task === 'clustering') {
    addOutput(graph, values.label, label, 'int64');
    const value = free('distance');
    addOutput(graph, values.distance, value, 'float32');
    return { label, probabilities: undefined, value };
  }
  const value = free('prediction');
  addOutput(graph, values.value, value, 'float32');
  return { label: undefined, probabilities: undefined, value };
}

function addOutput(graph: GraphBuilder, from: string, name: string, datatype: 'int64' | 'float32'): void {
  graph.add('Identity', [from], {}, { output: name });
  graph.outputs.push(makeValueInfo(name, datatype, ['batch']));
}

function addLabelOutput(graph: GraphBuilder, from: string, name: string, { classes, labelStyle }: Pipeline): void {
  if (labelStyle === 'index' || classes === undefined || areIndices(classes)) {
    addOutput(graph, from, name, 'int64');
    return;
  }
  const { names, numbers } = classes;
  const keys = { keys_int64s: ints([...names.keys()]) };
  const target =
    numbers === undefined
      ? { values_strings: strings(names), default_string: string('') }
      : { values_int64s: ints(numbers), default_int64: int(-1) };
  graph.add('LabelEncoder', [from], { ...keys, ...target }, { domain: 'ai.onnx.ml', output: name });
  graph.outputs.push(makeValueInfo(name, numbers === undefined ? 'string' : 'int64', ['batch']));
}
