/**
 * The floor: the bare session in a process, no server. On the message {rows} or {seconds} it runs rows one after the other
 * and answers the milliseconds of each. With `sessions` > 1 so many worker threads do so at once, as an engine would.
 * Arguments: model file, row shape as JSON, intra-op threads, sessions.
 */
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { syntheticRow } from '../rows.ts';
import { openModel } from './model-outputs.ts';

interface Settings {
  readonly path: string;
  readonly rowShape: readonly number[];
  readonly intraOpThreads: number;
}

/** `rows` per session, or as many as fit into `seconds`. */
export type RawOrder = { readonly rows: number } | { readonly seconds: number };

export interface RawReply {
  readonly runMs: readonly number[];
  readonly elapsedMs: number;
}

async function openLoop(settings: Settings): Promise<(order: RawOrder) => Promise<number[]>> {
  const model = await openModel(settings.path, settings.rowShape, settings.intraOpThreads);
  const elements = settings.rowShape.reduce((product, dim) => product * dim, 1);
  const inputs = Array.from({ length: 8 }, (_, index) => syntheticRow(elements, index));
  return async (order) => {
    const runMs: number[] = [];
    const rows = 'rows' in order ? order.rows : Number.POSITIVE_INFINITY;
    const endMs = 'rows' in order ? Number.POSITIVE_INFINITY : performance.now() + order.seconds * 1000;
    for (let i = 0; i < rows && performance.now() < endMs; i++) {
      const start = performance.now();
      await model.run(inputs[i % inputs.length]!);
      runMs.push(performance.now() - start);
    }
    return runMs;
  };
}

if (isMainThread) {
  const [path, rowShape, threads, sessions] = process.argv.slice(2) as [string, string, string, string];
  const settings = { path, rowShape: JSON.parse(rowShape) as number[], intraOpThreads: Number(threads) };
  const workers = Array.from(
    { length: Number(sessions) },
    () => new Worker(fileURLToPath(import.meta.url), { workerData: settings }),
  );
  const ask = (worker: Worker, order: RawOrder): Promise<number[]> =>
    new Promise((resolve) => {
      worker.once('message', resolve);
      worker.postMessage(order);
    });
  await Promise.all(workers.map((worker) => ask(worker, { rows: 1 })));
  process.on('message', async (order: RawOrder) => {
    const start = performance.now();
    const runMs = (await Promise.all(workers.map((worker) => ask(worker, order)))).flat();
    process.send?.({ runMs, elapsedMs: performance.now() - start } satisfies RawReply);
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.('ready');
} else {
  const run = await openLoop(workerData as Settings);
  parentPort!.on('message', (order: RawOrder) => {
    run(order).then((runMs) => parentPort!.postMessage(runMs));
  });
}
