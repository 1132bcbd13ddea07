/**
 * `npm run bench`: starts Hotpath and its peers on this machine, lets them take turns under the same load, checks every
 * claim of the README and writes docs/benchmarks.md. Everything it compares runs in this one run.
 */
import * as os from 'node:os';
import { LoadGenerator } from '../src/loadtest/generator.ts';
import type { BenchContext } from './context.ts';
import { describeEnvironment, pythonVersions } from './environment.ts';
import type { ScenarioName } from './options.ts';
import { parseOptions } from './options.ts';
import { printScenario, writeReport } from './report.ts';
import type { ScenarioResult } from './result.ts';
import { runAccuracy } from './scenarios/accuracy.ts';
import { runCache } from './scenarios/cache.ts';
import { runGrpc } from './scenarios/grpc.ts';
import { runIris } from './scenarios/iris.ts';
import { runMlp } from './scenarios/mlp.ts';
import { runOptimizer } from './scenarios/optimizer.ts';
import { runOverload } from './scenarios/overload.ts';
import { runProtocols } from './scenarios/protocols.ts';
import { runQuantizers } from './scenarios/quantizers.ts';
import { runResnet } from './scenarios/resnet.ts';
import { runStartup } from './scenarios/startup.ts';
import { runStores } from './scenarios/stores.ts';
import { runTraining } from './scenarios/training.ts';
import { runVariants } from './scenarios/variants.ts';
import { Workspace } from './workspace.ts';
import { wrkIsInstalled } from './wrk.ts';

const scenarios: Record<ScenarioName, (context: BenchContext) => Promise<ScenarioResult>> = {
  iris: runIris,
  mlp: runMlp,
  resnet: runResnet,
  overload: runOverload,
  startup: runStartup,
  protocols: runProtocols,
  grpc: runGrpc,
  cache: runCache,
  stores: runStores,
  optimizer: runOptimizer,
  accuracy: runAccuracy,
  quantizers: runQuantizers,
  variants: runVariants,
  training: runTraining,
};

const options = parseOptions(process.argv.slice(2));
const useWrk = options.useWrk && wrkIsInstalled();
const clientName = useWrk ? 'wrk, 1 thread (rates); own generator (checks, open loop)' : 'own generator, 1 process';
const environment = describeEnvironment(options.python, clientName);
const python = pythonVersions(options.python) === undefined ? undefined : options.python;
if (python === undefined)
  console.log('No python3 with fastapi, uvicorn and onnxruntime: the FastAPI peers are left out.');

const generator = new LoadGenerator();
const results: ScenarioResult[] = [];
try {
  for (const name of options.only) {
    console.log(`\n=== ${name}`);
    const workspace = await Workspace.create();
    try {
      const context: BenchContext = {
        options,
        workspace,
        client: { name: clientName, generator, useWrk },
        hotpath: { modelsDir: workspace.modelsDir, nodeArguments: options.serverNodeArguments },
        cores: os.availableParallelism(),
        python,
      };
      const result = await scenarios[name](context);
      printScenario(result);
      results.push(result);
    } finally {
      await workspace.remove();
    }
  }
  if (options.write) console.log(`\nWritten: ${(await writeReport(environment, options, results)).join(', ')}`);
} finally {
  await generator.close();
}
