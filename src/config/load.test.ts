import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { ConfigError } from './config-error.ts';
import { envName, flagName, settingNames } from './env-name.ts';
import { type ConfigSources, loadConfig } from './load.ts';
import { type Setting, settings } from './schema.ts';

const folder = mkdtempSync(join(tmpdir(), 'hotpath-config-'));
after(() => rmSync(folder, { recursive: true }));

let files = 0;
function configFile(content: unknown): string {
  const path = join(folder, `config-${files++}.json`);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

function load(sources: Partial<ConfigSources>) {
  return loadConfig({ env: {}, flags: {}, ...sources });
}

function problemsOf(sources: Partial<ConfigSources>): readonly string[] {
  try {
    load(sources);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems;
  }
  assert.fail('the configuration was accepted');
}

describe('order of strength', () => {
  const file = configFile({ $schema: 'https://example.org/s.json', port: 1111, host: '10.0.0.1', watch: true });

  it('takes every default when nothing is given', () => {
    const { config, provenance } = load({});
    for (const name of settingNames) {
      assert.equal(config[name], settings[name].default);
      assert.equal(provenance[name], 'default');
    }
  });

  it('lets the file beat defaults, the environment beat the file, and flags beat the environment', () => {
    const { config, provenance } = load({
      file,
      env: { HOTPATH_PORT: '2222', HOTPATH_WATCH: 'false' },
      flags: { port: '3333' },
    });
    assert.deepEqual([config.port, config.watch, config.host, config.workers], [3333, false, '10.0.0.1', 1]);
    assert.deepEqual(
      [provenance.port, provenance.watch, provenance.host, provenance.workers],
      ['flag', 'env', 'file', 'default'],
    );
  });

  it('finds the file by HOTPATH_CONFIG, and the argument wins over it', () => {
    assert.equal(load({ env: { HOTPATH_CONFIG: file } }).config.port, 1111);
    const other = configFile({ port: 4444 });
    assert.equal(load({ file: other, env: { HOTPATH_CONFIG: file } }).config.port, 4444);
  });

  it('treats an empty variable as not set', () => {
    assert.equal(load({ file, env: { HOTPATH_PORT: '' } }).config.port, 1111);
  });

  it('freezes the result', () => {
    const { config, provenance } = load({});
    assert.throws(() => Object.assign(config, { port: 1 }), TypeError);
    assert.throws(() => Object.assign(provenance, { port: 'flag' }), TypeError);
  });
});

describe('units', () => {
  it('reads bytes and durations with units from every source', () => {
    const { config } = load({
      file: configFile({ maxBodyBytes: '1GB', sloMs: '2m', maxJsonBytes: 1000, runTimeoutMs: 1.5 }),
      env: { HOTPATH_MEMORY_BUDGET: '512k', HOTPATH_SHUTDOWN_TIMEOUT_MS: '500ms' },
      flags: { 'max-queue-bytes': '64MiB', 'slow-request-ms': '1.5s' },
    });
    assert.equal(config.maxBodyBytes, 1_000_000_000);
    assert.equal(config.sloMs, 120_000);
    assert.equal(config.maxJsonBytes, 1000);
    assert.equal(config.runTimeoutMs, 1.5);
    assert.equal(config.memoryBudget, 512 * 1024);
    assert.equal(config.shutdownTimeoutMs, 500);
    assert.equal(config.maxQueueBytes, 64 * 1024 * 1024);
    assert.equal(config.slowRequestMs, 1500);
  });

  it('refuses durations that a timer cannot hold', () => {
    assert.deepEqual(problemsOf({ flags: { 'slo-ms': '600h' } }), [
      'Flag --slo-ms must be at most 24 days, not "600h".',
    ]);
  });
});

describe('errors', () => {
  it('name the source, the field and the expected value', () => {
    const file = configFile({ port: '8000', logLevel: 'loud', maxBodyBytes: -1, preload: 'yes' });
    assert.deepEqual(problemsOf({ file, env: { HOTPATH_WORKERS: '0' }, flags: { 'max-dims': '3.5' } }), [
      `"port" in ${file} must be an integer from 0 to 65535, not "8000".`,
      `"logLevel" in ${file} must be one of debug, info, warn, error, silent, not "loud".`,
      `"maxBodyBytes" in ${file} must be a number of bytes such as 1048576, "64MiB" or "1GB", not -1.`,
      `"preload" in ${file} must be true or false, not "yes".`,
      'Environment variable HOTPATH_WORKERS must be an integer from 1 to 256, not "0".',
      'Flag --max-dims must be an integer from 1 to 255, not "3.5".',
    ]);
  });

  it('suggest the nearest name for unknown ones, in the spelling of their source', () => {
    const file = configFile({ maxBodySize: 1, defaultmodel: 'iris', quux: 1 });
    assert.deepEqual(problemsOf({ file, env: { HOTPATH_WORKER: '2' }, flags: { 'log-levle': 'info' } }), [
      `"maxBodySize" in ${file} is no setting. Did you mean "maxBodyBytes"?`,
      `"defaultmodel" in ${file} is no setting. Did you mean "defaultModel"?`,
      `"quux" in ${file} is no setting.`,
      'Environment variable HOTPATH_WORKER is no setting. Did you mean HOTPATH_WORKERS?',
      'Flag --log-levle is unknown. Did you mean --log-level?',
    ]);
  });

  it('do not follow names of the prototype', () => {
    assert.equal(problemsOf({ file: configFile('{"__proto__": 1, "toString": 2}') }).length, 2);
  });

  it('leave variables of the tests and of others alone', () => {
    const env = { HOTPATH_TEST_REQUIRE_SERVICES: '1', HOTPATH_FIXTURES: '/x', HOTPATH_FUZZ_RUNS: '9', PORT: '1' };
    assert.equal(load({ env }).config.port, 8000);
  });

  it('say when the file is absent, no JSON or no object', () => {
    assert.match(problemsOf({ file: join(folder, 'none.json') })[0]!, /none\.json cannot be read \(ENOENT\)\.$/);
    assert.match(problemsOf({ file: configFile('{"port": ') })[0]!, /is not valid JSON: /);
    assert.match(problemsOf({ file: configFile([]) })[0]!, /must hold one JSON object of settings\.$/);
  });
});

describe('settings that must fit each other', () => {
  it('wants certificate and key together', () => {
    assert.deepEqual(problemsOf({ flags: { 'tls-cert': 'a.pem' } }), [
      'tlsCert is set, so tlsKey (--tls-key, HOTPATH_TLS_KEY) must be set too.',
    ]);
    assert.equal(load({ flags: { 'tls-cert': 'a.pem', 'tls-key': 'k.pem', http2: 'tls' } }).config.http2, 'tls');
  });

  it('wants a certificate for HTTP/2 over TLS and none for h2c', () => {
    assert.match(problemsOf({ flags: { http2: 'tls' } })[0]!, /^http2 is "tls", so tlsCert/);
    assert.match(problemsOf({ flags: { http2: 'h2c', 'tls-cert': 'a', 'tls-key': 'b' } })[0]!, /^http2 is "h2c"/);
  });

  it('wants two ports when both listeners share an address', () => {
    assert.match(
      problemsOf({ flags: { port: '9000', 'admin-port': '9000' } })[0]!,
      /^adminPort .* must differ from port/,
    );
    assert.equal(load({ flags: { port: '9000', 'admin-port': '9000', 'admin-host': '127.0.0.2' } }).config.port, 9000);
    assert.equal(load({ flags: { port: '0', 'admin-port': '0' } }).config.adminPort, 0);
  });
});

describe('names and values of every setting', () => {
  it('differ from each other in all three spellings', () => {
    for (const spelling of [envName, flagName]) {
      assert.equal(new Set(settingNames.map(spelling)).size, settingNames.length);
    }
    assert.equal(envName('maxBodyBytes'), 'HOTPATH_MAX_BODY_BYTES');
    assert.equal(envName('http2'), 'HOTPATH_HTTP2');
    assert.equal(flagName('metricsNv'), 'metrics-nv');
  });

  it('survive the way through file, environment and flag unchanged', () => {
    const numeric = settingNames.filter((name) => typeof settings[name].default === 'number');
    fc.assert(
      fc.property(fc.constantFrom(...numeric), fc.nat(), (name, seed) => {
        const setting: Setting<unknown> = settings[name];
        const min = setting.min ?? 0;
        const value = min + (seed % (Math.min(setting.max ?? 1e9, 1e9) - min + 1));
        for (const sources of [
          { env: { [envName(name)]: String(value) } },
          { flags: { [flagName(name)]: String(value) } },
        ]) {
          if (name === 'port' || name === 'adminPort') return;
          assert.equal(load(sources).config[name], value);
        }
      }),
    );
  });

  it('never throw anything but a ConfigError, whatever the text', () => {
    fc.assert(
      fc.property(fc.constantFrom(...settingNames), fc.string(), (name, text) => {
        try {
          load({ env: { [envName(name)]: text } });
        } catch (error) {
          assert.ok(error instanceof ConfigError);
        }
      }),
    );
  });
});
