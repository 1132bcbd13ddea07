/** Upstream models against real servers of the protocol: answers, deadlines, cancellation, and what happens when addresses fail. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { freePort } from '../../src/cli/free-port.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import type { EngineModel } from '../../src/ports/engine.ts';
import { modelFolder, serve, type TestServer as WholeServer } from '../e2e/support/serve.ts';
import { identityModel, startGrpc, type TestServer } from './support/grpc-harness.ts';
import { badServer, limits, matrix, remote, remoteSpec } from './support/remote-harness.ts';
import { until } from './support/until.ts';

const answer = [
  { datatype: 'float32', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
  { datatype: 'float32', shape: [2], data: Float32Array.of(6, 15) },
];
const question = () => [matrix([1, 2, 3], [4, 5, 6])];

function ask(model: EngineModel, times: number): Promise<unknown[]> {
  return Promise.all(
    Array.from({ length: times }, async (_, index) => {
      const instance = model.instances[index % model.instances.length]!;
      assert.deepEqual((await instance.run(question())).outputs, answer);
    }),
  );
}

describe('an upstream model', () => {
  let grpc: TestServer;
  let second: TestServer;
  let whole: WholeServer;

  before(async () => {
    const models = {
      slow: { fixedMs: 1000 },
      failing: { outcome: () => 'fail' as const },
      all: identityModel('float64', 'float16', 'int64', 'uint64', 'int8', 'uint16', 'bool', 'string'),
    };
    [grpc, second] = await Promise.all([startGrpc({ models }), startGrpc({ config: { grpcMaxStreams: 2 } })]);
    const folder = await modelFolder();
    await mkdir(join(folder, 'demo/1'), { recursive: true });
    await writeFile(join(folder, 'demo/1/model.onnx'), 'fake');
    whole = await serve(folder, { engine: 'fake' });
  });

  after(async () => {
    await Promise.all([grpc[Symbol.asyncDispose](), second[Symbol.asyncDispose](), whole.stop()]);
  });

  const overGrpc = () => `grpc://${grpc.address}`;
  const overRest = () => whole.url;

  for (const [protocol, addressOf] of [
    ['gRPC', overGrpc],
    ['REST', overRest],
  ] as const) {
    describe(`over ${protocol}`, () => {
      it('takes its signature and its largest batch from the upstream', async () => {
        await using setup = remote({ addresses: [addressOf()] });
        const model = await setup.load();
        assert.deepEqual(model.signature, {
          inputs: [{ name: 'features', datatype: 'float32', shape: [-1, -1] }],
          outputs: [
            { name: 'features_copy', datatype: 'float32', shape: [-1, -1] },
            { name: 'row_sum', datatype: 'float32', shape: [-1] },
          ],
          skippedOutputs: [],
        });
        assert.equal(model.executionProvider, 'remote');
      });

      it('answers what the upstream answers, all outputs or some', async () => {
        await using setup = remote({ addresses: [addressOf()] });
        const model = await setup.load();
        await ask(model, 20);
        const { outputs } = await model.instances[0]!.run(question(), ['row_sum']);
        assert.deepEqual(outputs, [answer[1]]);
        const [status] = setup.addresses();
        assert.equal(status?.calls, 21);
        assert.equal(status?.errors, 0);
        assert.equal(status?.inFlight, 0);
      });

      it('carries tensors of several megabytes both ways, and gives the input buffers back', async () => {
        await using setup = remote({ addresses: [addressOf()] }, { runTimeoutMs: 600_000 });
        const model = await setup.load();
        const data = Float32Array.from({ length: 1_000_000 }, (_, index) => index % 1000);
        const run = await model.instances[0]!.run([{ datatype: 'float32', shape: [1000, 1000], data }]);
        assert.deepEqual(run.outputs[0]!.data, data);
        assert.equal(run.recycled?.[0], data.buffer);
      });

      it('passes a refused input on, without a second attempt and without blame', async () => {
        await using setup = remote({ addresses: [addressOf(), addressOf()] });
        const model = await setup.load();
        const wrong = { datatype: 'float32', shape: [2], data: Float32Array.of(1, 2) } as const;
        await assert.rejects(model.instances[0]!.run([wrong]), { code: 'INVALID_INPUT', message: /upstream says: / });
        assert.deepEqual(
          setup.addresses().map(({ calls, errors }) => [calls, errors]),
          [
            [1, 0],
            [0, 0],
          ],
        );
      });

      it('goes to another address when one refuses connections, and soon leaves that one alone', async () => {
        const scheme = protocol === 'gRPC' ? 'grpc' : 'http';
        const dead = `${scheme}://127.0.0.1:${await freePort()}`;
        await using setup = remote({ addresses: [dead, addressOf()], balance: 'round-robin' });
        const model = await setup.load();
        for (let round = 0; round < 10; round++) await ask(model, 2);
        const [bad, good] = setup.addresses();
        assert.equal(good?.calls, 20);
        assert.equal(bad?.errors, bad?.calls);
        assert.ok(bad!.calls <= 5, `${bad!.calls} calls to the dead address`);
        assert.ok(bad!.ejectedForMs! > 0);
        assert.match(bad!.lastError!, /No connection to the upstream could be made/);
      });

      it('repeats on another address what a lost connection left unanswered', async () => {
        await using bad = await badServer('reset');
        const lossy = `${protocol === 'gRPC' ? 'grpc' : 'http'}://127.0.0.1:${bad.port}`;
        await using setup = remote({ addresses: [lossy, addressOf()], balance: 'round-robin' });
        const model = await setup.load();
        await ask(model, 8);
        assert.ok(bad.connections > 1);
        assert.ok(setup.addresses()[0]!.errors > 0);
      });

      it('says that the model is not ready when nobody answers, at load and later', async () => {
        const scheme = protocol === 'gRPC' ? 'grpc' : 'http';
        await using nobody = remote({ addresses: [`${scheme}://127.0.0.1:${await freePort()}`] });
        await assert.rejects(nobody.load(), { code: 'MODEL_NOT_READY', message: /ECONNREFUSED/ });
        await using unknown = remote({ addresses: [addressOf()], model: 'nope' });
        await assert.rejects(unknown.load(), { code: 'MODEL_NOT_READY', message: /There is no model "nope"/ });
      });

      it('gives up when the deadline passes, without blaming the address', async () => {
        await using silent = await badServer('silent');
        await using setup = remote({ addresses: [addressOf()] });
        const { signature } = await setup.load();
        const addresses = [`${protocol === 'gRPC' ? 'grpc' : 'http'}://127.0.0.1:${silent.port}`];
        await using hung = remote({ addresses });
        const model = await hung.engine.load(remoteSpec({ addresses, healthIntervalMs: 0 }), signature);
        await assert.rejects(model.instances[0]!.run(question(), undefined, limits(30)), { code: 'DEADLINE_EXCEEDED' });
        assert.equal(hung.addresses()[0]!.errors, 0);
        assert.equal(hung.addresses()[0]!.inFlight, 0);
      });
    });
  }

  it('carries every datatype unchanged', async () => {
    await using setup = remote({ addresses: [overGrpc()] }, { name: 'all' });
    const model = await setup.load();
    const of = (data: unknown) => ({ shape: [1, 2], data });
    const inputs = [
      { datatype: 'float64', ...of(Float64Array.of(Number.NaN, -0)) },
      { datatype: 'float16', ...of(Uint16Array.of(1, 0x7c00)) },
      { datatype: 'int64', ...of(BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n)) },
      { datatype: 'uint64', ...of(BigUint64Array.of(0n, 2n ** 64n - 1n)) },
      { datatype: 'int8', ...of(Int8Array.of(-128, 127)) },
      { datatype: 'uint16', ...of(Uint16Array.of(0, 65535)) },
      { datatype: 'bool', ...of(Uint8Array.of(0, 1)) },
      { datatype: 'string', ...of(['', 'ü€😀']) },
    ] as Parameters<EngineModel['instances'][0]['run']>[0];
    assert.deepEqual((await model.instances[0]!.run(inputs)).outputs, inputs);
  });

  it('passes the time that is left on to the upstream, and a cancellation', async () => {
    await using setup = remote({ addresses: [overGrpc()] }, { name: 'slow' });
    const model = await setup.load();
    const given = limits(9000);
    const before = grpc.calls.length;
    const run = model.instances[0]!.run(question(), undefined, given);
    await until(() => grpc.calls.length > before);
    const call = grpc.calls.at(-1)!;
    assert.ok(call.timeoutMs! > 3000 && call.timeoutMs! <= 5000, String(call.timeoutMs));
    given.cancel.cancel();
    await assert.rejects(run, { code: 'CANCELLED' });
    await until(() => call.cancel!.cancelled);
    assert.equal(setup.addresses()[0]!.inFlight, 0);
  });

  it('opens connections on demand while all streams are taken, and closes them when idle', async () => {
    const clock = new SimulatedClock();
    const settings = { addresses: [`grpc://${second.address}`], connectionsPerAddress: { min: 1, max: 3 } };
    await using setup = remote(settings, { clock });
    const model = await setup.load();
    for (const calls of [1, 20, 20]) await ask(model, calls);
    const { size, idle, inUse } = setup.addresses()[0]!;
    assert.deepEqual({ size, idle, inUse }, { size: 3, idle: 3, inUse: 0 });
    clock.advance(60_000);
    assert.equal(setup.addresses()[0]!.size, 1);
    await ask(model, 1);
  });

  it('shares connections between models on the same address, until the last one closes', async () => {
    await using setup = remote({ addresses: [overGrpc()] });
    const one = await setup.load();
    const other = await setup.load();
    await ask(one, 3);
    await ask(other, 3);
    const used = () => setup.engine.poolStatus().map(({ addresses }) => addresses[0]!.inUse);
    const run = one.instances[0]!.run(question());
    assert.deepEqual(used(), [1, 1]);
    await run;
    assert.deepEqual(used(), [0, 0]);
    await one.close();
    await one.close();
    await ask(other, 3);
  });

  it('lets calls wait when every address has as many as it may', async () => {
    const upstream = { addresses: [overGrpc()], maxInFlightPerAddress: 1 };
    await using setup = remote(upstream);
    const model = await setup.load();
    assert.equal(model.instances.length, 1);
    const [instance] = model.instances;
    const runs = [1, 2, 3].map(() => instance!.run(question()));
    assert.equal(setup.addresses()[0]!.inFlight, 1);
    assert.equal(setup.engine.poolStatus()[0]!.waiting, 2);
    for (const { outputs } of await Promise.all(runs)) assert.deepEqual(outputs, answer);
  });

  it('leaves an address alone while it says that it is not ready', async () => {
    const upstream = { addresses: [overGrpc(), `grpc://${second.address}`], healthIntervalMs: 20 };
    await using setup = remote({ ...upstream, balance: 'round-robin' });
    const model = await setup.load();
    second.state = 'draining';
    await until(() => !setup.addresses()[1]!.healthy);
    const callsBefore = setup.addresses()[1]!.calls;
    await ask(model, 6);
    assert.equal(setup.addresses()[1]!.calls, callsBefore);
    second.state = 'ready';
    await until(() => setup.addresses()[1]!.healthy);
    await ask(model, 6);
    assert.equal(setup.addresses()[1]!.calls, callsBefore + 3);
    assert.deepEqual(setup.logs, ['upstream is not well', 'upstream is well again']);
  });

  it('opens the breaker of the only address when it is gone, refuses at once, and tries again after a time', async () => {
    const clock = new SimulatedClock();
    const gone = await startGrpc();
    const breaker = { failures: 2, openMs: 1000 };
    await using setup = remote({ addresses: [`grpc://${gone.address}`], breaker }, { clock });
    const model = await setup.load();
    await ask(model, 1);
    await gone[Symbol.asyncDispose]();
    await until(() => setup.addresses()[0]!.size === 0);
    const [instance] = model.instances;
    const refused = { code: 'MODEL_NOT_READY' };
    for (let attempt = 0; attempt < 2; attempt++) await assert.rejects(instance!.run(question()), refused);
    assert.equal(setup.addresses()[0]!.breaker, 'open');
    const { calls } = setup.addresses()[0]!;
    await assert.rejects(instance!.run(question()), { ...refused, message: 'The upstream of the model is down.' });
    assert.equal(setup.addresses()[0]!.calls, calls);
    clock.advance(1000);
    assert.equal(setup.addresses()[0]!.breaker, 'half-open');
    await assert.rejects(instance!.run(question()), refused);
    assert.equal(setup.addresses()[0]!.calls, calls + 1);
    assert.equal(setup.addresses()[0]!.breaker, 'open');
  });

  it('loses nothing when an upstream says goodbye under load', async () => {
    const leaving = await startGrpc({ models: { demo: { fixedMs: 5 } } });
    await using setup = remote({ addresses: [`grpc://${leaving.address}`, overGrpc()], balance: 'round-robin' });
    const model = await setup.load();
    const load = Promise.all(Array.from({ length: 10 }, () => ask(model, 8)));
    await until(() => setup.addresses()[0]!.inFlight > 0);
    const closed = leaving.server.close();
    await load;
    for (let round = 0; round < 5; round++) await ask(model, 8);
    await closed;
    await leaving[Symbol.asyncDispose]();
  });

  it('refuses new runs while it closes and lets the running ones finish', async () => {
    await using setup = remote({ addresses: [overGrpc()] });
    const model = await setup.load();
    const running = model.instances[0]!.run(question());
    const closing = model.close();
    await assert.rejects(model.instances[1]!.run(question()), { code: 'MODEL_NOT_READY' });
    assert.deepEqual((await running).outputs, answer);
    await closing;
    assert.deepEqual(setup.engine.poolStatus(), []);
  });
});
