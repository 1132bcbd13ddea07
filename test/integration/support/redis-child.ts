/** A process that uses all of a link to the URL it is given, closes it, and must then end by itself. Started by redis-link.test.ts. */
import { linkTo } from './redis-link.ts';

const link = linkTo(process.argv[2]!, { timeoutMs: 300 });
link.bus.onInvalidation(() => {});
const deadline = performance.now() + 1000;
// With a Redis until it answers; without one this waits for some attempts to connect.
while (link.pool.status().size < link.pool.status().maxSize && performance.now() < deadline) {
  await new Promise((resolve) => setTimeout(resolve, 10));
}
const outcomes = await Promise.allSettled([
  link.cache.getMany(['a']),
  link.cache.setMany([{ key: 'a', value: new Uint8Array(100_000), ttlMs: 60_000 }]),
  link.limits.take('a', 1, { ratePerSecond: 1, burst: 1 }),
  link.readFeatures(['a']),
  link.bus.publish({ model: 'm' }),
]);
await Promise.all([link.close(), link.close()]);
process.stdout.write(outcomes.map(({ status }) => status).join(' '));
