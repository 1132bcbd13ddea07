/** What is known of this machine and its runtime. Called by the composition of the server, `optimize` and `tune`; loads no runtime. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import * as os from 'node:os';
import { join } from 'node:path';
import { grantedCores } from './config/cores.ts';
import type { MachineFacts } from './optimizer/plan/result.ts';
import type { TunedMachine } from './ports/tuning.ts';

export function machineFacts(): MachineFacts {
  const cores = grantedCores();
  return { ...tunedMachine(cores), arch: os.arch(), vnni: hasVnni() };
}

/** @param cores that the engines of one process may use */
export function tunedMachine(cores: number): TunedMachine {
  const require = createRequire(import.meta.url);
  const { version } = require('onnxruntime-node/package.json') as { version: string };
  return { cpu: os.cpus()[0]?.model.trim() || 'unknown', cores, runtime: `onnxruntime-node ${version}` };
}

/** Undefined on other processors than x64, which have no such trouble, and where the system does not tell. */
function hasVnni(): boolean | undefined {
  if (os.arch() !== 'x64') return undefined;
  try {
    return /\b(avx512_vnni|avx_vnni)\b/.test(readFileSync(join('/proc', 'cpuinfo'), 'utf8'));
  } catch {
    return undefined;
  }
}
