/**
 * First run: with no model at all, train the Iris forest and store it as models/iris/1, so that there is something to try.
 * Called by serve.ts once, before any worker exists. Must never touch a folder that holds anything.
 */
import { readdir } from 'node:fs/promises';

/** Names a model folder may have; dot files such as .gitkeep are not models and do not make a folder full. */
const modelName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** Entries of the folder, dot files aside; none when it is absent. */
async function visibleEntries(folder: string): Promise<{ name: string; isFolder: boolean }[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries
      .filter(({ name }) => !name.startsWith('.'))
      .map((entry) => ({ name: entry.name, isFolder: entry.isDirectory() || entry.isSymbolicLink() }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Names of the model folders, sorted; what the start-up message shows. Looks at names only. */
export async function listModelNames(folder: string): Promise<readonly string[]> {
  const entries = await visibleEntries(folder).catch(() => []);
  return entries
    .filter(({ name, isFolder }) => isFolder && modelName.test(name))
    .map(({ name }) => name)
    .sort();
}

/**
 * @returns a sentence for the operator when something was done or failed; undefined when the folder was in use already.
 */
export async function ensureDemoModel(folder: string): Promise<string | undefined> {
  try {
    if ((await visibleEntries(folder)).length > 0) return undefined;
    const started = performance.now();
    // Loaded here, so that a server with models never pays for the trainer.
    const [{ trainIris }, { storeModel }] = await Promise.all([
      import('../training/train-iris.ts'),
      import('../training/store-model.ts'),
    ]);
    const { model, classNames, heldOutAccuracy } = trainIris();
    await storeModel(folder, 'iris', '1', model, { classNames });
    const ms = Math.round(performance.now() - started);
    const accuracy = Math.round(heldOutAccuracy * 100);
    return `No model in ${folder}: trained a random forest on the Iris data (${ms} ms, ${accuracy} % right on held-out rows) and stored it as iris, version 1.`;
  } catch (error) {
    // A read-only or unreadable folder must not keep the server from starting.
    const reason = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    return `No model in ${folder}, and the Iris example could not be stored there (${reason}).`;
  }
}
