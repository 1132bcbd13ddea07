/**
 * Loads a big model, edits it and saves it, and says how much memory that took: run as a process of its own, because memory is
 * counted per process. Arguments: origin, target.
 */
import { makeNode } from '../../../src/onnx-file/model.ts';
import { loadModel } from '../../../src/optimizer/graph/load.ts';
import { saveModel } from '../../../src/optimizer/graph/save.ts';

const [origin, target] = process.argv.slice(2) as [string, string];
const graph = loadModel(origin);
const [first] = graph.nodes;
const [old] = first!.outputs;
graph.insertAfter(first!, makeNode('Neg', [graph.splitOutput(first!, 0)], [old!]));
graph.rename('w0', 'renamed');
const saved = saveModel(graph, target);
process.stdout.write(JSON.stringify({ ...saved, peakBytes: process.resourceUsage().maxRSS * 1024 }));
