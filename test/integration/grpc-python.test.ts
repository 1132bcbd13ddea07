/** Python's grpcio, another implementation of everything below the messages, as client. Skipped where it is not installed. */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { startGrpc, type TestServer } from './support/grpc-harness.ts';

const protos = join(import.meta.dirname, '../../proto');
const client = join(import.meta.dirname, 'support/grpc-client.py');
const run = promisify(execFile);

/** The Python that has grpcio; Debian's own where another comes first on the path. */
const python = ['python3', '/usr/bin/python3'].find((command) => works(command, '-c', 'import grpc, google.protobuf'));

function works(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function missing(): string | false {
  if (python === undefined) return 'no Python with grpcio and protobuf (Debian: python3-grpcio)';
  return works('protoc', '--version') ? false : 'no protoc (Debian: protobuf-compiler)';
}

describe('gRPC with a Python client', { skip: missing() }, () => {
  let folder: string;
  let server: TestServer;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hotpath-grpc-python-'));
    const files = ['open_inference.proto', 'model_config.proto', 'health.proto'];
    execFileSync('protoc', ['-I', protos, `--python_out=${folder}`, ...files]);
    server = await startGrpc();
  });

  after(async () => {
    await server[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  for (const scenario of ['unary', 'gzip', 'large', 'stream', 'errors', 'deadline', 'health', 'metadata', 'many']) {
    it(`passes its scenario "${scenario}"`, async () => {
      const env = { ...process.env, PYTHONPATH: folder };
      const { stdout } = await run(python!, [client, server.address, scenario], { env });
      assert.equal(stdout.trim(), `${scenario} ok`);
    });
  }
});
