/** What a process of supervisor.test.ts runs instead of the CLI: `serve` with the tiny server. */
import { parseSettingFlags } from '../../../src/cli/parse-flags.ts';
import { serveAsWorker } from '../../../src/cli/serve-process.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { startTinyServer } from './tiny-server.ts';

const { flags } = parseSettingFlags(process.argv.slice(3));
if (process.env.HOTPATH_TEST_WORKER_FAILS === '1') process.exit(7);
await serveAsWorker(loadConfig({ env: {}, flags }), startTinyServer);
