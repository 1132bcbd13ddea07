import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HotpathError } from '../errors.ts';
import { registryWorld } from '../testing/registry-world.ts';

describe('a model that is not ready for now', () => {
  it('is tried again every second, however often it was tried, and says what it waits for', async () => {
    const { registry, engine, clock } = registryWorld({ m: { versions: { 1: {} } } });
    const probe = engine.probe.bind(engine);
    let probes = 0;
    engine.probe = async (spec) => {
      if (++probes < 6) throw new HotpathError('MODEL_NOT_READY', 'The upstream is away.');
      return probe(spec);
    };
    const message = 'Model "m" version "1" could not be loaded: The upstream is away.';
    const acquire = async () => registry.acquire('m', undefined);
    for (let attempt = 1; attempt < 6; attempt++) {
      await assert.rejects(acquire(), { code: 'MODEL_NOT_READY', message });
      clock.advance(999);
      await assert.rejects(acquire(), { code: 'MODEL_NOT_READY', message });
      assert.equal(probes, attempt);
      clock.advance(1);
    }
    (await acquire()).release();
    await registry.close();
  });

  it('takes its largest batch from an engine that knows it, unless a smaller one is configured', async () => {
    const sizes = async (config: { maxBatchSize?: number }) => {
      const { registry, engine } = registryWorld({ m: { versions: { 1: {} }, config } });
      const probe = engine.probe.bind(engine);
      engine.probe = async (spec) => ({ ...(await probe(spec)), maxBatchSize: 12 });
      const lease = await registry.acquire('m', undefined);
      const { maxBatchSize } = lease.model.runner.options;
      lease.release();
      await registry.close();
      return maxBatchSize;
    };
    assert.deepEqual(
      [await sizes({}), await sizes({ maxBatchSize: 5 }), await sizes({ maxBatchSize: 50 })],
      [12, 5, 12],
    );
  });
});
