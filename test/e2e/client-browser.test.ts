/** The fetch client in a real browser: the modules as they are, with the types stripped, from a page on the server's own origin. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { stripTypeScriptTypes } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { modelFolder, serve, storeIris } from './support/serve.ts';

const client = join(import.meta.dirname, '../../src/client');
const browser = ['chromium', 'chromium-browser', 'google-chrome'].find(
  (name) => spawnSync(name, ['--version']).status === 0,
);

/** Sends what it learned to /result, an error too. */
const page = `<!doctype html><script type="module">
const report = (result) => fetch('/result', { method: 'POST', body: JSON.stringify(result) });
try {
  const { createClient } = await import('/client/client.ts');
  const url = location.origin;
  const features = { shape: [1, 4], data: Float32Array.of(5.1, 3.5, 1.4, 0.2) };
  const answers = [];
  for (const binary of ['always', 'never']) {
    const { outputs } = await createClient({ url, binary }).infer('iris', { features }, { timeoutMs: 5000 });
    answers.push([String(outputs.label.data[0]), ...outputs.probabilities.data]);
  }
  const { label } = await createClient({ url }).predict([6.3, 3.3, 6, 2.5], { model: 'iris' });
  const refused = await createClient({ url }).infer('rose', { features }).catch(({ code, status }) => [code, status]);
  const cancelled = await createClient({ url }).models({ signal: AbortSignal.abort() }).catch(({ code }) => code);
  await report({ answers, label, refused, cancelled, live: await createClient({ url }).live() });
} catch (error) {
  await report({ error: String(error?.stack ?? error) });
}
</script>`;

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The page, the modules, and everything else passed on to the server. */
async function answer(request: IncomingMessage, response: ServerResponse, server: string): Promise<void> {
  const { url = '/', method = 'GET' } = request;
  if (url === '/') response.setHeader('content-type', 'text/html').end(page);
  else if (/^\/client\/[a-z-]+\.ts$/.test(url)) {
    const source = await readFile(join(client, url.slice('/client/'.length)), 'utf8');
    response.setHeader('content-type', 'text/javascript').end(stripTypeScriptTypes(source));
  } else {
    const headers = Object.fromEntries(
      ['content-type', 'inference-header-content-length', 'x-timeout-ms'].flatMap((name) => {
        const value = request.headers[name];
        return value === undefined ? [] : [[name, String(value)]];
      }),
    );
    const body = method === 'POST' ? await bodyOf(request) : undefined;
    const passed = await fetch(server + url, { method, headers, ...(body && { body: new Uint8Array(body) }) });
    const length = passed.headers.get('inference-header-content-length');
    if (length !== null) response.setHeader('inference-header-content-length', length);
    response.writeHead(passed.status).end(new Uint8Array(await passed.arrayBuffer()));
  }
}

/** Resolves with what the page reports. */
async function visit(context: TestContext, server: string): Promise<unknown> {
  const profile = mkdtempSync(join(tmpdir(), 'hotpath-browser-'));
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const http = createServer((request, response) => {
    const work =
      request.url === '/result'
        ? bodyOf(request).then((body) => {
            response.end();
            resolve(JSON.parse(String(body)));
          })
        : answer(request, response, server);
    work.catch(reject);
  });
  await new Promise<void>((listening) => http.listen(0, '127.0.0.1', listening));
  const { port } = http.address() as AddressInfo;
  const flags = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    `--user-data-dir=${profile}`,
  ];
  const child = spawn(browser!, [...flags, `http://127.0.0.1:${port}/`], { stdio: 'ignore', detached: true });
  const gone = new Promise<void>((closed) => child.once('close', () => closed()));
  void gone.then(() => reject(new Error('the browser ended before the page reported')));
  context.after(async () => {
    // The browser's own processes too: they share its group.
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, 'SIGKILL');
    await gone;
    http.closeAllConnections();
    http.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  });
  return promise;
}

test('the fetch client runs in a browser', {
  skip: browser === undefined ? 'no chromium is installed' : false,
}, async (context) => {
  const models = await modelFolder();
  await storeIris(models);
  const server = await serve(models);
  context.after(() => server.stop());
  assert.deepEqual(await visit(context, server.url), {
    answers: [
      ['0', 1, 0, 0],
      ['0', 1, 0, 0],
    ],
    label: 'virginica',
    refused: ['NOT_FOUND', 404],
    cancelled: 'CANCELLED',
    live: true,
  });
});
