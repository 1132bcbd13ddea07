/** The parent process of supervisor.test.ts: prints the address as one JSON line, then what happens to its processes. */
import { fileURLToPath } from 'node:url';
import { parseSettingFlags } from '../../../src/cli/parse-flags.ts';
import { supervise } from '../../../src/cli/supervise.ts';
import { loadConfig } from '../../../src/config/load.ts';

const args = process.argv.slice(2);
const { flags } = parseSettingFlags(args);
process.exitCode = await supervise(
  loadConfig({ env: {}, flags }),
  args,
  {
    onServing: (urls) => void process.stdout.write(`${JSON.stringify(urls)}\n`),
    log: (line) => void process.stderr.write(`${line}\n`),
  },
  fileURLToPath(new URL('./tiny-worker.ts', import.meta.url)),
);
