/** A tree ensemble as a trained model. TreeEnsembleRegressor only sums, whatever the task: ONNX Runtime's classifier treats two classes specially. */
import type { Attribute } from '../../onnx-file/model.ts';
import { floats, int, ints, string } from '../../onnx-file/model.ts';
import type { Matrix, Prediction } from '../matrix.ts';
import { argMax } from '../matrix.ts';
import { nodeAttributes } from '../trees/node-attributes.ts';
import type { TreeEnsemble } from '../trees/tree-ensemble.ts';
import { scoreRows } from '../trees/tree-ensemble.ts';
import { addArgMax, addScoreNodes, classesOfScores } from './class-scores.ts';
import type { GraphBuilder } from './graph-builder.ts';
import type { ModelKind, ModelValues, TrainedModel } from './trained-model.ts';

/** What the sums of the trees are. */
export type ScoreMeaning = 'probabilities' | 'log-odds' | 'value';

export function treeModel(
  kind: ModelKind,
  ensemble: TreeEnsemble,
  meaning: ScoreMeaning,
  importance: Float64Array,
  notes: readonly string[] = [],
): TrainedModel {
  return {
    kind,
    task: meaning === 'value' ? 'regression' : 'classification',
    importance,
    notes,
    predict: (matrix) => predict(ensemble, meaning, matrix),
    addTo: (graph, features) => addTo(graph, features, ensemble, meaning),
  };
}

function predict(ensemble: TreeEnsemble, meaning: ScoreMeaning, matrix: Matrix): Prediction {
  const scores = scoreRows(ensemble, matrix);
  if (meaning === 'value') return { task: 'regression', values: scores };
  const { outputCount } = ensemble;
  if (meaning === 'log-odds') return classesOfScores(scores, outputCount);
  const labels = Int32Array.from({ length: matrix.rows }, (_, row) => argMax(scores, row * outputCount, outputCount));
  return { task: 'classification', labels, probabilities: scores };
}

function addTo(graph: GraphBuilder, features: string, ensemble: TreeEnsemble, meaning: ScoreMeaning): ModelValues {
  const attributes = {
    ...nodeAttributes(ensemble.trees),
    ...leafAttributes(ensemble),
    n_targets: int(ensemble.outputCount),
    aggregate_function: string('SUM'),
    post_transform: string('NONE'),
  };
  let scores = graph.add('TreeEnsembleRegressor', [features], attributes, { domain: 'ai.onnx.ml' });
  if (ensemble.base.some((value) => value !== 0)) {
    scores = graph.add('Add', [scores, graph.floats([1, ensemble.outputCount], ensemble.base)]);
  }
  if (meaning === 'log-odds') return addScoreNodes(graph, scores, ensemble.outputCount, 'float32');
  if (meaning === 'probabilities') {
    return { task: 'classification', label: addArgMax(graph, scores), probabilities: scores };
  }
  return { task: 'regression', value: graph.add('Squeeze', [scores, graph.integers([1], [1])]) };
}

/** One entry per leaf and output it adds to; a leaf of zeros keeps one, so that every leaf is known. */
function leafAttributes({ trees, unit }: TreeEnsemble): Record<string, Attribute> {
  const treeIds: number[] = [];
  const nodeIds: number[] = [];
  const outputs: number[] = [];
  const weights: number[] = [];
  for (const [treeId, tree] of trees.entries()) {
    const width = tree.outputs.length;
    for (const [nodeId, feature] of tree.feature.entries()) {
      if (feature >= 0) continue;
      for (let i = 0; i < width; i++) {
        const units = tree.units[nodeId * width + i]!;
        if (units === 0 && i > 0) continue;
        treeIds.push(treeId);
        nodeIds.push(nodeId);
        outputs.push(tree.outputs[i]!);
        weights.push(units * unit);
      }
    }
  }
  return {
    target_treeids: ints(treeIds),
    target_nodeids: ints(nodeIds),
    target_ids: ints(outputs),
    target_weights: floats(weights),
  };
}
