/** Scenario 5: time to ready, memory at rest, and whether loading and unloading leaks. */
import { rm } from 'node:fs/promises';
import { trainIris } from '../../src/training/train-iris.ts';
import type { HotpathServer } from '../competitors.ts';
import { hotpathRequests, startHotpath } from '../competitors.ts';
import type { BenchContext } from '../context.ts';
import { verifyAnswers } from '../measure.ts';
import { residentMb } from '../processes.ts';
import type { ScenarioResult, Table } from '../result.ts';
import { formatNumber } from '../result.ts';
import { irisRow } from '../rows.ts';
import { median } from '../stats.ts';
import type { BenchModel } from '../workspace.ts';

/** Growth over the second half of the cycles that counts as a leak: allocator noise stays below it. */
const PLATEAU_MB = 10;
const IDLE_MS = 2000;

export async function runStartup(context: BenchContext): Promise<ScenarioResult> {
  const { options, workspace } = context;
  const inputs = Array.from({ length: 8 }, (_, index) => irisRow(index));
  const { model: bytes, classNames } = trainIris();
  const model = await workspace.addModel('iris', bytes, [4], inputs, { classNames });
  const first: number[] = [];
  const later: number[] = [];
  for (let i = 0; i < options.startups; i++) {
    await rm(`${workspace.modelsDir}/.cache`, { recursive: true, force: true });
    first.push(await timeStart(context, model));
    later.push(await timeStart(context, model));
    console.log(`  start ${i + 1}: first ${first.at(-1)!.toFixed(0)} ms, later ${later.at(-1)!.toFixed(0)} ms`);
  }
  const memory = await measureMemory(context, model);
  const growthMb = memory.cycles.at(-1)!.residentMb - memory.cycles[1]!.residentMb;
  return {
    name: 'startup',
    title: 'Start-up and memory, iris model',
    method: [
      'From spawning the process to the first 200 of /health/ready with the model loaded, then one right answer. A first start probes the model in a child process; later starts know it from the cache folder.',
      `Memory is the resident set of the process ${IDLE_MS / 1000} s after its first answers, then over load and unload through the admin API; a leak is more than ${PLATEAU_MB} MB over the second half of the cycles.`,
    ],
    tables: [startTable(first, later), memoryTable(memory)],
    targets: [
      { what: 'ready, first start', comparison: '<=', target: 700, unit: 'ms', measured: median(first) },
      { what: 'ready, later start', comparison: '<=', target: 700, unit: 'ms', measured: median(later) },
      { what: 'idle memory', comparison: '<=', target: 160, unit: 'MB', measured: memory.idleMb },
      {
        what: `growth, second half of ${options.loadCycles} cycles`,
        comparison: '<=',
        target: PLATEAU_MB,
        unit: 'MB',
        measured: growthMb,
      },
    ],
    data: { first, later, memory },
  };
}

function startTable(first: readonly number[], later: readonly number[]): Table {
  const line = (name: string, values: readonly number[]): string[] => [
    name,
    formatNumber(median(values)),
    formatNumber(Math.max(...values)),
  ];
  return {
    title: `Milliseconds to ready, ${first.length} starts each`,
    columns: ['start', 'median', 'slowest'],
    rows: [line('first', first), line('later', later)],
  };
}

function memoryTable({ idleMb, cycles }: Memory): Table {
  return {
    title: 'Resident memory over load/unload cycles, MB',
    columns: ['idle', ...cycles.map(({ cycle }) => `after ${cycle}`)],
    rows: [[idleMb, ...cycles.map((sample) => sample.residentMb)].map(formatNumber)],
  };
}

async function timeStart(context: BenchContext, model: BenchModel): Promise<number> {
  const server = await startHotpath(context.hotpath);
  await answerSome(context, model, server);
  await server.stop();
  return server.readyMs;
}

async function answerSome({ client }: BenchContext, model: BenchModel, server: HotpathServer): Promise<void> {
  const requests = hotpathRequests(model, 'json', server.target);
  await verifyAnswers(client.generator, 'Hotpath', server, requests, 1, requests.length);
}

interface Memory {
  readonly idleMb: number;
  readonly cycles: readonly { readonly cycle: number; readonly residentMb: number }[];
}

async function measureMemory(context: BenchContext, model: BenchModel): Promise<Memory> {
  const { loadCycles } = context.options;
  const server = await startHotpath(context.hotpath);
  try {
    await answerSome(context, model, server);
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    const idleMb = residentMb(server.child.pid!);
    const cycles: { cycle: number; residentMb: number }[] = [];
    for (let cycle = 1; cycle <= loadCycles; cycle++) {
      await askAdmin(server, `/admin/models/${model.name}/unload`);
      await askAdmin(server, `/admin/models/${model.name}/load`);
      if (cycle % (loadCycles / 4) === 0) cycles.push({ cycle, residentMb: residentMb(server.child.pid!) });
    }
    await answerSome(context, model, server);
    return { idleMb, cycles };
  } finally {
    await server.stop();
  }
}

async function askAdmin({ admin }: HotpathServer, path: string): Promise<void> {
  const response = await fetch(`http://${admin.host}:${admin.port}${path}`, { method: 'POST' });
  if (!response.ok) throw new Error(`POST ${path} answered ${response.status}: ${await response.text()}`);
  await response.arrayBuffer();
}
