/** Scenario 2: 512 floats through a perceptron. The body is 4 KB of JSON, so the wire's encoding and batching both count. */
import { comparisonTable, ratioTarget } from '../comparison.ts';
import { echo, fastApiVariants, hotpath, naive } from '../competitors.ts';
import type { BenchContext } from '../context.ts';
import { httpContender } from '../http-contender.ts';
import { buildMlp512 } from '../models.ts';
import type { ScenarioResult, Target } from '../result.ts';
import { takeTurns } from '../rounds.ts';
import { syntheticRow } from '../rows.ts';

const ROWS = 32;

export async function runMlp(context: BenchContext): Promise<ScenarioResult> {
  const { options, workspace, client, cores, python } = context;
  const inputs = Array.from({ length: ROWS }, (_, index) => syntheticRow(512, index));
  const model = await workspace.addModel('mlp512', buildMlp512(), [512], inputs);
  const competitors = [
    echo(model),
    naive(model),
    hotpath(model, 'json', context.hotpath),
    hotpath(model, 'msgpack', context.hotpath),
    hotpath(model, 'binary', context.hotpath),
    ...fastApiVariants(model, python, cores),
  ];
  const contenders = competitors.map((competitor) => httpContender(client, competitor, options.connections));
  const results = await takeTurns(contenders, options);
  const best = Math.max(...['msgpack', 'binary'].map((wire) => overJson(wire).measured));
  function overJson(wire: string): Target {
    return ratioTarget(results, `Hotpath, ${wire}`, 'Hotpath', 1);
  }
  return {
    name: 'mlp',
    title: `MLP 512x4, ${options.connections} connections`,
    method: [`${ROWS} different rows of 512 floats with four decimals in turn; 10 floats out.`],
    tables: [comparisonTable(results, 'Hotpath')],
    targets: [
      ratioTarget(results, 'Hotpath', 'naive node server', 2.7),
      ratioTarget(results, 'Hotpath', 'FastAPI, 1 worker', 6),
      { what: 'better of MessagePack and binary / JSON', comparison: '>=', target: 1, unit: 'x', measured: best },
    ],
    data: Object.fromEntries(results),
  };
}
