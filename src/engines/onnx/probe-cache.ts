/**
 * What was learned of model files, kept as one JSON file per content and circumstance. Called by onnx-engine.ts.
 * A missing, read-only or corrupt cache is no error: the model is simply probed again. A failure is never cached.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { EngineSpec, ProbeReport } from '../../ports/engine.ts';
import type { Logger } from '../../ports/logger.ts';

/** Raised whenever the probe decides differently, so that old reports are forgotten. */
const probeVersion = 1;

export interface ProbeCache {
  read(spec: EngineSpec): Promise<ProbeReport | undefined>;
  write(spec: EngineSpec, report: ProbeReport): Promise<void>;
}

/** An empty `cacheDir` caches nothing. */
export function openProbeCache(cacheDir: string, logger: Logger): ProbeCache {
  if (cacheDir === '') return { read: async () => undefined, write: async () => undefined };
  const folder = join(cacheDir, 'probes');
  return {
    async read(spec) {
      const key = cacheKey(spec);
      try {
        const entry: unknown = JSON.parse(await readFile(join(folder, fileName(key)), 'utf8'));
        if (isEntry(entry) && entry.key === key) return entry.report;
      } catch {
        // Absent or corrupt: probe again.
      }
      return undefined;
    },
    async write(spec, report) {
      // A provider that is missing today may be there tomorrow.
      if (report.executionProvider !== (spec.executionProviders[0] ?? 'cpu')) return;
      const key = cacheKey(spec);
      const target = join(folder, fileName(key));
      const draft = `${target}.${randomUUID()}`;
      try {
        await mkdir(folder, { recursive: true });
        await writeFile(draft, JSON.stringify({ key, report }));
        await rename(draft, target);
      } catch (error) {
        logger.debug({ err: error }, 'probe report not cached');
      }
    },
  };
}

/** Everything a report depends on. */
function cacheKey(spec: EngineSpec): string {
  return JSON.stringify([
    probeVersion,
    spec.digest,
    runtimeVersion(),
    process.platform,
    process.arch,
    spec.executionProviders,
    spec.fallbackToCpu,
    spec.sessionOptions ?? {},
  ]);
}

function fileName(key: string): string {
  return `${createHash('sha256').update(key).digest('hex').slice(0, 32)}.json`;
}

let version: string | undefined;

function runtimeVersion(): string {
  version ??= (createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string }).version;
  return version;
}

function isEntry(value: unknown): value is { key: string; report: ProbeReport } {
  const entry = value as { key?: unknown; report?: Partial<ProbeReport> } | null;
  const report = entry?.report;
  return (
    typeof entry?.key === 'string' &&
    Array.isArray(report?.signature?.inputs) &&
    Array.isArray(report.signature.outputs) &&
    Array.isArray(report.notes) &&
    typeof report.batch?.safe === 'boolean' &&
    typeof report.memoryBytes === 'number' &&
    typeof report.executionProvider === 'string'
  );
}
