import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedClock } from '../core/simulated-clock.ts';
import { createProfiler } from './profiling.ts';

interface CpuProfile {
  readonly nodes: readonly { readonly callFrame: { readonly functionName: string } }[];
  readonly samples: readonly number[];
}

interface HeapNode {
  readonly callFrame: { readonly functionName: string };
  readonly selfSize: number;
  readonly children: readonly HeapNode[];
}

/** Real work between start and stop, then the fake time jumps to the end. */
async function during<T>(profile: Promise<T>, clock: SimulatedClock, seconds: number, work: () => void): Promise<T> {
  // The inspector answers on later turns of the event loop; the profile runs once its commands have been answered.
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
  work();
  clock.advance(seconds * 1000);
  return profile;
}

function burnRecognizably(): number {
  let sum = 0;
  for (let i = 0; i < 3e7; i++) sum += Math.sqrt(i) % 3;
  return sum;
}

const kept: unknown[] = [];
function allocateRecognizably(): void {
  for (let i = 0; i < 20_000; i++) kept.push(new Array(32).fill(i));
}

const names = (node: HeapNode): string[] => [node.callFrame.functionName, ...node.children.flatMap(names)];

test('a CPU profile names the function that was busy', async () => {
  const clock = new SimulatedClock();
  const profile = (await during(createProfiler(clock).profileCpu(5), clock, 5, burnRecognizably)) as CpuProfile;
  assert.ok(profile.samples.length > 0);
  assert.ok(profile.nodes.some((node) => node.callFrame.functionName === 'burnRecognizably'));
});

test('a heap profile names the function whose allocations are alive', async () => {
  const clock = new SimulatedClock();
  const profile = (await during(createProfiler(clock).profileHeap(5), clock, 5, allocateRecognizably)) as {
    head: HeapNode;
  };
  assert.ok(kept.length > 0);
  assert.ok(names(profile.head).includes('allocateRecognizably'));
});

test('a second profile is refused while one runs, and taken after it', async () => {
  const clock = new SimulatedClock();
  const profiler = createProfiler(clock);
  const first = profiler.profileCpu(30);
  clock.advance(10_500);
  for (const second of [profiler.profileCpu(1), profiler.profileHeap(1)]) {
    await assert.rejects(second, {
      code: 'OVERLOADED',
      message: 'A profile is being taken; try again in 20 s.',
      details: { retryAfterSeconds: 20 },
    });
  }
  await during(first, clock, 30, () => undefined);
  const third = (await during(profiler.profileCpu(1), clock, 1, () => undefined)) as CpuProfile;
  assert.ok(third.nodes.length > 0);
});

test('seconds out of range are refused and block nobody', async () => {
  const clock = new SimulatedClock();
  const profiler = createProfiler(clock);
  for (const seconds of [0, -1, 60.1, Number.NaN, Number.POSITIVE_INFINITY]) {
    await assert.rejects(profiler.profileCpu(seconds), {
      code: 'INVALID_INPUT',
      message: 'seconds must be a number over 0 and at most 60.',
    });
  }
  await during(profiler.profileHeap(60), clock, 60, () => undefined);
});
