/** The inner nodes of trees as the attributes of ONNX's tree operators (ai.onnx.ml opset 1). Called by whoever exports trees. Pure. */
import type { Attribute } from '../../onnx-file/model.ts';
import { floats, ints, strings } from '../../onnx-file/model.ts';

/** By node: a row whose feature is at most the threshold goes to the true child. */
export interface BranchingTree {
  /** Negative: a leaf. */
  readonly feature: Int32Array;
  readonly threshold: Float32Array;
  readonly trueChild: Int32Array;
  readonly falseChild: Int32Array;
}

/** One entry per node of every tree. NaN fails `<=` and takes the false branch in both worlds, the operator's default. */
export function nodeAttributes(trees: readonly BranchingTree[]): Record<string, Attribute> {
  const treeIds: number[] = [];
  const nodeIds: number[] = [];
  const features: number[] = [];
  const modes: string[] = [];
  const values: number[] = [];
  const trueIds: number[] = [];
  const falseIds: number[] = [];
  for (const [treeId, tree] of trees.entries()) {
    for (const [nodeId, feature] of tree.feature.entries()) {
      treeIds.push(treeId);
      nodeIds.push(nodeId);
      features.push(Math.max(feature, 0));
      modes.push(feature < 0 ? 'LEAF' : 'BRANCH_LEQ');
      values.push(tree.threshold[nodeId]!);
      trueIds.push(tree.trueChild[nodeId]!);
      falseIds.push(tree.falseChild[nodeId]!);
    }
  }
  return {
    nodes_treeids: ints(treeIds),
    nodes_nodeids: ints(nodeIds),
    nodes_featureids: ints(features),
    nodes_modes: strings(modes),
    nodes_values: floats(values),
    nodes_truenodeids: ints(trueIds),
    nodes_falsenodeids: ints(falseIds),
  };
}
