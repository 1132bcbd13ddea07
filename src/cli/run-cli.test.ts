import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { settingNames } from '../config/env-name.ts';
import { packageVersion } from '../config/version.ts';
import { renderBanner } from './banner.ts';
import { ensureDemoModel, listModelNames } from './ensure-demo-model.ts';
import { runCli } from './run-cli.ts';
import { describeStartError } from './start-error.ts';
import { createStyle, createTerminal, wantsColor } from './terminal.ts';

const folder = mkdtempSync(join(tmpdir(), 'hotpath-cli-'));
after(() => rmSync(folder, { recursive: true }));

async function cli(args: readonly string[], env: Record<string, string> = {}) {
  let out = '';
  let err = '';
  const stdout = { write: (text: string) => (out += text) };
  const stderr = { write: (text: string) => (err += text) };
  const code = await runCli(args, { terminal: createTerminal({ stdout, stderr }, env), env });
  return { code, out, err };
}

async function serverAt(test: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  test.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('hotpath', () => {
  it('lists its commands with --help, and prints the same to standard error with exit code 2 when asked nothing', async () => {
    const asked = await cli(['--help']);
    assert.equal(asked.code, 0);
    for (const command of ['serve', 'config', 'models', 'predict'])
      assert.match(asked.out, new RegExp(`^ {2}${command} `, 'm'));
    assert.deepEqual(await cli([]), { code: 2, out: '', err: asked.out });
  });

  it('prints its version', async () => {
    assert.deepEqual(await cli(['--version']), { code: 0, out: `${packageVersion()}\n`, err: '' });
  });

  it('suggests the nearest command for an unknown one', async () => {
    assert.deepEqual(await cli(['sevre']), {
      code: 2,
      out: '',
      err: 'hotpath: Unknown command "sevre". Did you mean "serve"?\nTry: hotpath --help\n',
    });
    assert.equal((await cli(['toString'])).code, 2);
  });

  it('explains every setting in serve --help', async () => {
    const { code, out } = await cli(['serve', '--help']);
    assert.equal(code, 0);
    assert.deepEqual(await cli(['help', 'serve']), { code, out, err: '' });
    assert.equal(out.match(/^ {2}--/gm)!.length, settingNames.length + 1);
    assert.match(out, /--max-body-bytes <bytes> +Largest .* \[64MiB\]/);
  });

  it('refuses wrong flags of serve with exit code 2, all at once', async () => {
    const { code, err } = await cli(['serve', '--prot', '8000', '--workers=many']);
    assert.equal(code, 2);
    assert.equal(
      err,
      'hotpath: Flag --prot is unknown. Did you mean --port?\n' +
        'hotpath: Flag --workers must be an integer from 1 to 256, not "many".\nTry: hotpath serve --help\n',
    );
    assert.match((await cli(['serve', 'now'])).err, /^hotpath: Unexpected argument "now"\./);
    assert.match((await cli(['serve', '--config'])).err, /^hotpath: Flag --config must be followed by a path\./);
    assert.match((await cli(['serve', '--port'])).err, /Flag --port must be an integer from 0 to 65535, not true/);
  });
});

describe('hotpath config', () => {
  const file = join(folder, 'hotpath.json');
  writeFileSync(file, JSON.stringify({ sloMs: '2s', watch: true }));

  it('prints each setting with value and source, aligned', async () => {
    const args = ['config', '--config', file, '--no-watch', '--max-body-bytes=1MiB'];
    const { code, out } = await cli(args, { HOTPATH_PORT: '9000' });
    assert.equal(code, 0);
    const lines = out.trimEnd().split('\n');
    assert.equal(lines.length, settingNames.length + 1);
    const find = (name: string) => lines.find((line) => line.startsWith(`${name} `))!.split(/ {2,}/);
    assert.deepEqual(find('port'), ['port', '9000', 'env']);
    assert.deepEqual(find('sloMs'), ['sloMs', '2s', 'file']);
    assert.deepEqual(find('watch'), ['watch', 'false', 'flag']);
    assert.deepEqual(find('maxBodyBytes'), ['maxBodyBytes', '1MiB', 'flag']);
    assert.deepEqual(find('tlsKey'), ['tlsKey', '""', 'default']);
    assert.equal(new Set(lines.map((line) => line.search(/(default|file|env|flag|SOURCE)$/))).size, 1);
  });

  it('prints JSON with --json', async () => {
    const { out } = await cli(['config', '--json', '--workers', '3']);
    const parsed = JSON.parse(out) as Record<string, { value: unknown; source: string }>;
    assert.deepEqual(parsed.workers, { value: 3, source: 'flag' });
    assert.deepEqual(Object.keys(parsed), settingNames);
  });
});

describe('hotpath models and predict', () => {
  it('shows the models of a server as a table', async (test) => {
    const url = await serverAt(test, (_, response) => {
      const batching = { enabled: false, reason: 'rows influence each other', maxBatchSize: 1 };
      const models = [
        {
          name: 'iris',
          version: '2',
          state: 'ready',
          labels: ['stable'],
          loaded: { batching: { enabled: true, maxBatchSize: 64 } },
        },
        { name: 'mixer', version: '1', state: 'ready', labels: [], loaded: { batching } },
        { name: 'torn', version: '1', state: 'failed', labels: [], reason: 'The file is truncated.' },
      ];
      response.end(JSON.stringify({ models }));
    });
    const { code, out } = await cli(['models', '--url', url]);
    assert.equal(code, 0);
    assert.equal(
      out,
      [
        'MODEL  VERSION   STATE   BATCHING  REASON',
        'iris   2 stable  ready   up to 64',
        'mixer  1         ready   off       rows influence each other',
        'torn   1         failed  -         The file is truncated.',
        '',
      ].join('\n'),
    );
  });

  it('sends the numbers as one row and prints the prediction', async (test) => {
    let body = '';
    const url = await serverAt(test, (request, response) => {
      request
        .on('data', (chunk) => (body += chunk))
        .on('end', () => {
          response.end(JSON.stringify({ prediction: 0, label: 'setosa', probabilities: [1, 0, 0] }));
        });
    });
    const { code, out } = await cli(['predict', 'iris', '5.1', '3.5', '1.4', '0.2', '--url', `${url}/`]);
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(body), { model: 'iris', features: [5.1, 3.5, 1.4, 0.2] });
    assert.equal(out, 'prediction: 0 (setosa)\nprobabilities: [1,0,0]\n');
  });

  it('says what the server complained about, with exit code 1', async (test) => {
    const url = await serverAt(test, (_, response) => {
      response.writeHead(404).end(JSON.stringify({ error: { code: 'MODEL_NOT_FOUND', message: 'No model "rose".' } }));
    });
    const { code, err } = await cli(['predict', 'rose', '1', '--url', url]);
    assert.deepEqual([code, err], [1, 'hotpath: MODEL_NOT_FOUND: No model "rose".\n']);
  });

  it('says when nobody answers or it is no Hotpath server', async (test) => {
    const html = await serverAt(test, (_, response) => response.end('<html>'));
    assert.match((await cli(['models', '--url', html])).err, /answered 200 without JSON\. Is it a Hotpath server\?/);
    const closed = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => closed.once('listening', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const { code, err } = await cli(['models', '--url', `http://127.0.0.1:${port}`]);
    assert.deepEqual([code, err], [1, `hotpath: No server answers at http://127.0.0.1:${port} (ECONNREFUSED).\n`]);
  });

  it('refuses what is no number or no row', async () => {
    assert.match((await cli(['predict', 'iris', 'five'])).err, /"five" is not a number/);
    assert.equal((await cli(['predict', 'iris'])).code, 2);
    assert.equal((await cli(['models', '--ulr', 'x'])).code, 2);
  });
});

describe('the first run', () => {
  it('stores the iris forest in an absent or empty folder and says so', async () => {
    const models = join(folder, 'fresh', 'models');
    assert.match((await ensureDemoModel(models))!, /trained a random forest on the Iris data .* iris, version 1\.$/);
    assert.deepEqual(await listModelNames(models), ['iris']);
    assert.deepEqual(readdirSync(join(models, 'iris', '1')), ['model.onnx']);
    assert.equal(await ensureDemoModel(models), undefined);
  });

  it('touches no folder that holds anything', async () => {
    const models = mkdtempSync(join(folder, 'used-'));
    writeFileSync(join(models, 'notes.txt'), '');
    assert.equal(await ensureDemoModel(models), undefined);
    assert.deepEqual(readdirSync(models), ['notes.txt']);
  });

  it('lets the server start when the folder cannot be made', async () => {
    const file = join(folder, 'a-file');
    writeFileSync(file, '');
    assert.match((await ensureDemoModel(join(file, 'models')))!, /could not be stored there \(ENOTDIR\)\.$/);
  });
});

describe('a start that fails', () => {
  it('is explained when the operator can mend it, and left to its stack otherwise', () => {
    const inUse = Object.assign(new Error('listen'), { code: 'EADDRINUSE', address: '127.0.0.1', port: 8000 });
    const plain = { tlsCert: '', tlsKey: '' };
    assert.equal(
      describeStartError(inUse, plain),
      'Cannot listen at 127.0.0.1:8000: the address is in use by another process (EADDRINUSE).',
    );
    const missing = Object.assign(new Error('open'), { code: 'ENOENT' });
    assert.equal(
      describeStartError(missing, { tlsCert: 'c.pem', tlsKey: 'k.pem' }),
      'The TLS files c.pem and k.pem cannot be used (ENOENT).',
    );
    assert.equal(describeStartError(missing, plain), undefined);
    assert.equal(describeStartError(new Error('bug'), plain), undefined);
  });
});

describe('what the terminal shows', () => {
  it('is coloured on a terminal only, and never with NO_COLOR', () => {
    const stream = { isTTY: true, write: () => true };
    assert.equal(wantsColor(stream, {}), true);
    assert.equal(wantsColor(stream, { NO_COLOR: '' }), true);
    assert.equal(wantsColor(stream, { NO_COLOR: '1' }), false);
    assert.equal(wantsColor({ write: () => true }, {}), false);
  });

  it('says at start where to go and what to try', () => {
    const facts = {
      version: '0.1.0',
      url: 'http://127.0.0.1:8000',
      grpcUrl: undefined,
      adminUrl: undefined,
      modelsFolder: 'models',
      workers: 2,
      auth: false,
      readyMs: 412.6,
    };
    assert.equal(
      renderBanner({ ...facts, models: ['iris', 'mlp'] }, createStyle(false)),
      `Hotpath 0.1.0 serves at http://127.0.0.1:8000 (ready in 413 ms, 2 processes)
  Models  iris, mlp
  Docs    http://127.0.0.1:8000/docs
  gRPC    off
  Admin   off

Try:
  curl -s http://127.0.0.1:8000/api/v1/predict -H 'content-type: application/json' -d '{"model": "iris", "features": [5.1, 3.5, 1.4, 0.2]}'`,
    );
    assert.match(
      renderBanner({ ...facts, models: ['iris'], auth: true }, createStyle(false)),
      /hotpath keys create .*\n.*-H "X-API-Key: \$HOTPATH_API_KEY" -d /,
    );
    assert.match(
      renderBanner({ ...facts, models: [] }, createStyle(false)),
      /none yet: put one at models\/<name>\/1\/model\.onnx/,
    );
  });
});
