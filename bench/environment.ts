/** The machine and the versions a table belongs to: without them its numbers mean nothing. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import * as os from 'node:os';

export interface Environment {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly platform: string;
  readonly node: string;
  readonly onnxruntime: string;
  readonly hotpath: string;
  /** Undefined where no suitable Python was found. */
  readonly python: Readonly<Record<string, string>> | undefined;
  readonly client: string;
}

const pythonPackages = ['fastapi', 'uvicorn', 'uvloop', 'httptools', 'orjson', 'onnxruntime', 'numpy'];

export function describeEnvironment(python: string, client: string): Environment {
  return {
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    memoryGb: Math.round(os.totalmem() / 1e9),
    platform: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.version,
    onnxruntime: packageVersion('../node_modules/onnxruntime-node/package.json'),
    hotpath: packageVersion('../package.json'),
    python: pythonVersions(python),
    client,
  };
}

function packageVersion(relativePath: string): string {
  const text = readFileSync(new URL(relativePath, import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** Undefined when the interpreter or one of the packages is missing. */
export function pythonVersions(python: string): Readonly<Record<string, string>> | undefined {
  const program = `
import json, platform
from importlib.metadata import version
found = {name: version(name) for name in ${JSON.stringify(pythonPackages)}}
print(json.dumps({"python": platform.python_version(), **found}))`;
  try {
    const text = execFileSync(python, ['-c', program], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return JSON.parse(text) as Record<string, string>;
  } catch {
    return undefined;
  }
}
