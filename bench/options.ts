/** Command line of the benchmark. `npm run bench -- --help` prints it. */
import { parseArgs } from 'node:util';

export const scenarioNames = [
  'iris',
  'mlp',
  'resnet',
  'overload',
  'startup',
  'protocols',
  'grpc',
  'cache',
  'stores',
  'optimizer',
  'accuracy',
  'quantizers',
  'variants',
  'training',
] as const;
export type ScenarioName = (typeof scenarioNames)[number];

export interface BenchOptions {
  readonly only: readonly ScenarioName[];
  readonly rounds: number;
  readonly roundSeconds: number;
  readonly connections: number;
  readonly quick: boolean;
  /** Seconds of each overload step. */
  readonly overloadSeconds: number;
  readonly startups: number;
  readonly loadCycles: number;
  readonly python: string;
  readonly date: string;
  readonly write: boolean;
  readonly useWrk: boolean;
  /** Extra arguments for the interpreter of Hotpath's server, such as --cpu-prof. */
  readonly serverNodeArguments: readonly string[];
}

const help = `Usage: npm run bench -- [options]

  --only iris,mlp      scenarios: ${scenarioNames.join(', ')} (default: all)
  --rounds N           interleaved rounds, the table shows medians (default 5)
  --seconds N          seconds of a round (default 2.5)
  --connections N      keep-alive connections of the JSON scenarios (default 64)
  --quick              3 rounds of 1 s, short overload steps; a smoke test, not a result
  --date YYYY-MM-DD    date in the report (default: today)
  --no-write           print only; leave docs/benchmarks.md and bench/results.json alone
  --own-generator      do not use wrk even where it is installed
  --server-args=ARGS   arguments for the node process of Hotpath, e.g. --server-args=--cpu-prof
  HOTPATH_BENCH_PYTHON python with fastapi, uvicorn, onnxruntime, uvloop, httptools, orjson (default python3)
`;

/** @throws Error for an unknown option or scenario; prints the help and ends the process for --help. */
export function parseOptions(argv: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      only: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      connections: { type: 'string' },
      quick: { type: 'boolean', default: false },
      date: { type: 'string' },
      'no-write': { type: 'boolean', default: false },
      'own-generator': { type: 'boolean', default: false },
      'server-args': { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(help);
    process.exit(0);
  }
  const only = values.only?.split(',') ?? [...scenarioNames];
  for (const name of only) {
    if (!(scenarioNames as readonly string[]).includes(name)) throw new Error(`There is no scenario '${name}'.`);
  }
  const { quick } = values;
  return {
    only: only as ScenarioName[],
    rounds: positive('rounds', values.rounds, quick ? 3 : 5),
    roundSeconds: positive('seconds', values.seconds, quick ? 1 : 2.5),
    connections: positive('connections', values.connections, 64),
    quick,
    overloadSeconds: quick ? 3 : 8,
    startups: quick ? 3 : 7,
    loadCycles: quick ? 40 : 200,
    python: process.env.HOTPATH_BENCH_PYTHON ?? 'python3',
    date: values.date ?? new Date().toISOString().slice(0, 10),
    write: !values['no-write'],
    useWrk: !values['own-generator'],
    serverNodeArguments: values['server-args']?.split(' ').filter((argument) => argument !== '') ?? [],
  };
}

function positive(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} must be a positive number, not '${text}'.`);
  return value;
}
