/**
 * `hotpath optimize`: variants of a model that are smaller or faster, compared with it and with each other on this machine, the best one
 * written. Works without a server. The model file itself is never touched.
 */
import { mkdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { HotpathError } from '../core/errors.ts';
import { configBeside } from '../optimizer/plan/config-beside.ts';
import type { Optimized, OptimizeOptions } from '../optimizer/plan/optimize.ts';
import { placeVersion } from '../optimizer/plan/place-version.ts';
import { renderReport } from '../optimizer/plan/report.ts';
import { runOptimize } from '../server-optimize.ts';
import { replaceFile } from '../training/store-model.ts';
import type { CommandContext, ExitCode } from './command.ts';
import { run as runInBackground } from './optimize-background.ts';
import type { OptimizeFlags } from './optimize-request.ts';
import { modelName, parseOptimizeFlags, readOptimizeOptions } from './optimize-request.ts';
import { renderOptimized } from './optimize-table.ts';
import { ProgressLine, renderShare } from './progress-line.ts';
import type { Terminal } from './terminal.ts';
import { untilInterrupted } from './until-interrupted.ts';

export { help } from './optimize-request.ts';

const keptOriginal = 3;
const interrupted = 'Interrupted; the next run goes on from here.';

export async function run(args: readonly string[], context: CommandContext): Promise<ExitCode> {
  if (args.includes('--background')) return runInBackground(args, context);
  const { terminal } = context;
  const { model, flags } = parseOptimizeFlags(args);
  try {
    const asked = await readOptimizeOptions(model, flags);
    return await untilInterrupted((signal) => optimize(asked, flags, terminal, signal), interrupted);
  } catch (error) {
    if (!(error instanceof HotpathError) || error.code === 'INTERNAL') throw error;
    terminal.err(`hotpath: ${error.message}`);
    return 1;
  }
}

async function optimize(
  asked: OptimizeOptions,
  flags: OptimizeFlags,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<ExitCode> {
  const stream = terminal.errStream ?? { write: (text: string) => terminal.err(text.trimEnd()) };
  const line = new ProgressLine(stream, () => performance.now());
  const onProgress = (share: number, what: string) => line.show(renderShare(share, what));
  const optimized = await runOptimize(asked, { onProgress, signal }).finally(() => line.clear());
  const { result, chosenPath } = optimized;
  const reportPath = resolve(flags.report ?? join(asked.outFolder, 'report.html'));
  await writeWhole(reportPath, renderReport(result));
  await writeWhole(join(asked.outFolder, 'report.json'), `${JSON.stringify(result, undefined, 2)}\n`);
  const placed = await place(optimized, asked, flags);
  if (flags.json === true) terminal.out(JSON.stringify({ ...result, report: reportPath, placed }, undefined, 2));
  else {
    terminal.out(renderOptimized(result, terminal.style));
    terminal.out(['', ...placed.map(({ sentence }) => sentence), `Report: ${reportPath}`].join('\n'));
  }
  return chosenPath === undefined ? keptOriginal : 0;
}

interface Place {
  readonly models: string;
  readonly name: string;
  readonly version: string;
  readonly sentence: string;
}

/** Into the out folder, which is a repository of its own, and into the one to register in. */
async function place({ chosenPath }: Optimized, asked: OptimizeOptions, flags: OptimizeFlags): Promise<Place[]> {
  if (chosenPath === undefined) return [];
  const places = [{ models: asked.outFolder, name: flags.name ?? modelName(asked.modelPath) }];
  if (flags.register !== undefined) places.push({ models: resolve(flags.models ?? 'models'), name: flags.register });
  const done: Place[] = [];
  for (const { models, name } of places) {
    const { version, wasThere } = await placeVersion(chosenPath, models, name, await configBeside(asked.modelPath));
    const verb = wasThere ? 'Is there already' : 'Written';
    const sentence = `${verb}: ${join(models, name, version, 'model.onnx')}. Serve it: hotpath serve --models ${models}`;
    done.push({ models, name, version, sentence });
  }
  return done;
}

/** Never half a file under the final name. */
async function writeWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await replaceFile(dirname(path), basename(path), text);
}
