/**
 * A forest as an ONNX model: one TreeEnsembleClassifier (ai.onnx.ml opset 1) with tensors out, no ZipMap.
 * Called by train-iris.ts. The model's labels and probabilities equal `predictForest` exactly; forest.ts says why.
 */
import type { Attribute, OnnxModel } from '../onnx-file/model.ts';
import { floats, ints, makeModel, makeNode, makeValueInfo, string } from '../onnx-file/model.ts';
import type { Forest } from './forest.ts';
import { unitsPerForest } from './forest.ts';
import { nodeAttributes } from './trees/node-attributes.ts';

/** `features` float32 [batch, F] -> `label` int64 [batch], `probabilities` float32 [batch, C]. */
export function forestToOnnx(forest: Forest): OnnxModel {
  const { featureCount, classCount } = forest;
  const node = makeNode(
    'TreeEnsembleClassifier',
    ['features'],
    ['label', 'probabilities'],
    { ...nodeAttributes(forest.trees), ...voteAttributes(forest), post_transform: string('NONE') },
    { name: 'forest', domain: 'ai.onnx.ml' },
  );
  return makeModel({
    opsets: [{ domain: 'ai.onnx.ml', version: 1 }],
    graph: {
      name: 'forest',
      nodes: [node],
      initializers: [],
      inputs: [makeValueInfo('features', 'float32', ['batch', featureCount])],
      outputs: [
        makeValueInfo('label', 'int64', ['batch']),
        makeValueInfo('probabilities', 'float32', ['batch', classCount]),
      ],
    },
  });
}

/**
 * One entry per leaf and class that gets a vote. Two classes are special in ONNX Runtime: with votes for both it answers 1 for
 * any positive vote. With only class 1's votes (zeros included), written under id 0 as converters of binary models do, it
 * answers 1 above 0.5 and gives the probabilities 1 - p and p.
 */
function voteAttributes({ trees, classCount }: Forest): Record<string, Attribute> {
  const treeIds: number[] = [];
  const nodeIds: number[] = [];
  const classIds: number[] = [];
  const weights: number[] = [];
  const binary = classCount === 2;
  for (const [treeId, tree] of trees.entries()) {
    for (const [nodeId, feature] of tree.feature.entries()) {
      if (feature >= 0) continue;
      for (let label = binary ? 1 : 0; label < classCount; label++) {
        const units = tree.voteUnits[nodeId * classCount + label]!;
        if (units === 0 && !binary) continue;
        treeIds.push(treeId);
        nodeIds.push(nodeId);
        classIds.push(binary ? 0 : label);
        weights.push(units / unitsPerForest);
      }
    }
  }
  return {
    class_treeids: ints(treeIds),
    class_nodeids: ints(nodeIds),
    class_ids: ints(classIds),
    class_weights: floats(weights),
    classlabels_int64s: ints(Array.from({ length: classCount }, (_, label) => label)),
  };
}
