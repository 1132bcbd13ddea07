/** Scenario 1: the iris forest over JSON. The model costs nothing, so this measures HTTP, JSON and the hand-over. */
import { trainIris } from '../../src/training/train-iris.ts';
import { comparisonTable, ratioTarget } from '../comparison.ts';
import { echo, fastApiVariants, hotpath, naive } from '../competitors.ts';
import type { BenchContext } from '../context.ts';
import { httpContender } from '../http-contender.ts';
import type { ScenarioResult } from '../result.ts';
import { takeTurns } from '../rounds.ts';
import { irisRow } from '../rows.ts';

const ROWS = 32;

export async function runIris(context: BenchContext): Promise<ScenarioResult> {
  const { options, workspace, client, cores, python } = context;
  const inputs = Array.from({ length: ROWS }, (_, index) => irisRow(index));
  const { model: bytes, classNames } = trainIris();
  const model = await workspace.addModel('iris', bytes, [4], inputs, { classNames });
  const competitors = [
    echo(model),
    naive(model),
    hotpath(model, 'json', context.hotpath),
    hotpath(model, 'json, batching off', context.hotpath),
    ...fastApiVariants(model, python, cores),
  ];
  const contenders = competitors.map((competitor) => httpContender(client, competitor, options.connections));
  const results = await takeTurns(contenders, options);
  const allCores = cores > 1 ? `FastAPI, ${cores} workers` : 'FastAPI, 1 worker';
  return {
    name: 'iris',
    title: `Iris forest, JSON, ${options.connections} connections`,
    method: [`${ROWS} different rows in turn; 4 features in, label and 3 probabilities out.`],
    tables: [comparisonTable(results, 'Hotpath')],
    targets: [
      ratioTarget(results, 'Hotpath', 'bare node:http echo', 0.75),
      ratioTarget(results, 'Hotpath', 'FastAPI, 1 worker', 6),
      ratioTarget(results, 'Hotpath', allCores, 4),
      { what: 'Hotpath p99', comparison: '<=', target: 8, unit: 'ms', measured: results.get('Hotpath')!.median.p99Ms },
    ],
    data: Object.fromEntries(results),
  };
}
