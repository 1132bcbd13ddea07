/** Quantizes the model at argv[2] into argv[3] in a process of its own, and says how long that took and how much memory. */
import { loadModel } from '../../../src/optimizer/graph/load.ts';
import { saveModel } from '../../../src/optimizer/graph/save.ts';
import { dynamicInt8 } from '../../../src/optimizer/passes/dynamic-int8.ts';
import { passContext } from './optimizer-runner.ts';

const [, , from = '', to = ''] = process.argv;
const residentBefore = process.resourceUsage().maxRSS * 1024;
const graph = loadModel(from);
const { changed } = await dynamicInt8(graph, {}, passContext(undefined));
const { dataBytes } = saveModel(graph, to);
console.log(
  JSON.stringify({
    layers: changed.length,
    dataBytes,
    ms: Math.round(performance.now()),
    residentBefore,
    residentPeak: process.resourceUsage().maxRSS * 1024,
  }),
);
