#!/usr/bin/env node
/**
 * The entry of `hotpath`. Turns on Node's compile cache before anything else is loaded, then hands over to run-cli.ts.
 * Must import nothing statically but node:module: what is imported here is compiled before the cache is on.
 */
import { enableCompileCache, getCompileCacheDir } from 'node:module';

// On a read-only file system it reports a status and caches nothing. NODE_DISABLE_COMPILE_CACHE=1 turns it off.
enableCompileCache();
process.env.NODE_COMPILE_CACHE ??= getCompileCacheDir();
// A reader that left (`hotpath config | head`) is no error, and must not end a server.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') process.exitCode = 1;
  });
}
const [{ runCli }, { createTerminal }] = await Promise.all([import('./run-cli.ts'), import('./terminal.ts')]);
process.exitCode = await runCli(process.argv.slice(2), {
  terminal: createTerminal(process, process.env),
  env: process.env,
});
