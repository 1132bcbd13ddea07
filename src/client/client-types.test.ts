/**
 * What must not compile. `tsc` fails where an expected error is absent, so these lines are the tests of the types; the calls are
 * never made. The interface is as `hotpath types` writes it.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createClient } from './client.ts';
import { createGrpcClient } from './node-grpc.ts';

interface Models {
  iris: {
    inputs: {
      features: { datatype: 'float32'; shape: [number, 4] };
    };
    outputs: {
      label: { datatype: 'int64'; shape: [number] };
      probabilities: { datatype: 'float32'; shape: [number, 3] };
    };
  };
  mixed: {
    inputs: {
      flag: { datatype: 'bool'; shape: [number, 1] };
      half: { datatype: 'float16'; shape: [2] };
      name: { datatype: 'string'; shape: [number, 1] };
      any: { datatype: 'uint8'; shape: number[] };
    };
    outputs: {
      text: { datatype: 'string'; shape: [number, 1] };
    };
  };
}

const client = createClient<Models>({ url: 'http://127.0.0.1:1' });
const grpc = createGrpcClient<Models>('127.0.0.1:1');
const untyped = createClient({ url: 'http://127.0.0.1:1' });

const floats = new Float32Array(4);
const row = { shape: [1, 4], data: floats } as const;
const flag = { datatype: 'bool', shape: [1, 1], data: Uint8Array.of(1) } as const;
const half = { datatype: 'float16', shape: [2], data: new Uint16Array(2) } as const;
const name = { shape: [1, 1], data: ['x'] } as const;
const any = { shape: [1, 2, 3], data: new Uint8Array(6) } as const;

/** Exactly the same type, not only assignable. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_proof: Same<A, B>): void {}

export async function goodCalls(): Promise<void> {
  const all = await client.infer('iris', { features: { shape: [1, 4], data: floats } });
  const label: BigInt64Array = all.outputs.label.data;
  const [rows, classes] = all.outputs.probabilities.shape;
  same<typeof classes, 3>(true);
  same<typeof rows, number>(true);
  const some = await grpc.infer('iris', { features: row }, { outputs: ['label'] });
  same<keyof typeof some.outputs, 'label'>(true);
  const text = await client.infer('mixed', { flag, half, name, any });
  same<typeof text.outputs.text.data, string[]>(true);
  await client.predict([5.1, 3.5, 1.4, 0.2], { model: 'iris' });
  await client.predict({ flag: true, half: [1, 2], name: 'x', any: 1 }, { model: 'mixed' });
  await client.predictBatch([[5.1, 3.5, 1.4, 0.2]], { model: 'iris' });
  await client.predict([1, 2]);
  const loose = await untyped.infer('whatever', { x: { shape: [1], data: floats } });
  const output = loose.outputs.y;
  if (output?.datatype === 'string') same<typeof output.data, string[]>(true);
  await untyped.predict({ a: 'x', b: [1n] }, { model: 'whatever' });
  void label;
}

export async function wrongNames(): Promise<void> {
  // @ts-expect-error no such model
  await client.infer('rose', { features: row });
  // @ts-expect-error no such model
  await grpc.infer('rose', { features: row });
  // @ts-expect-error no such input
  await client.infer('iris', { petals: row });
  // @ts-expect-error an input too many
  await client.infer('iris', { features: row, petals: row });
  // @ts-expect-error an input is missing
  await client.infer('mixed', { flag, half, name });
  // @ts-expect-error no such output
  await client.infer('iris', { features: row }, { outputs: ['lable'] });
  const { outputs } = await client.infer('iris', { features: row }, { outputs: ['label'] });
  // @ts-expect-error not asked for
  void outputs.probabilities;
  // @ts-expect-error no such model
  await client.metadata('rose');
  // @ts-expect-error no such model
  await client.ready('rose');
  // @ts-expect-error no such model
  await client.predict([1], { model: 'rose' });
  // @ts-expect-error no such input
  await client.predict({ flag: true, half: [1, 2], nme: 'x', any: 1 }, { model: 'mixed' });
}

export async function wrongDatatypes(): Promise<void> {
  // @ts-expect-error doubles for floats
  await client.infer('iris', { features: { shape: [1, 4], data: new Float64Array(4) } });
  // @ts-expect-error a plain list
  await client.infer('iris', { features: { shape: [1, 4], data: [1, 2, 3, 4] } });
  // @ts-expect-error another datatype by name
  await client.infer('iris', { features: { datatype: 'float64', shape: [1, 4], data: floats } });
  // @ts-expect-error bytes are uint8 unless they are said to be bool
  await client.infer('mixed', { flag: { shape: [1, 1], data: Uint8Array.of(1) }, half, name, any });
  // @ts-expect-error numbers for strings
  await client.infer('mixed', { flag, half, name: { shape: [1, 1], data: [1] }, any });
  // @ts-expect-error text for numbers
  await client.predict(['a', 'b', 'c', 'd'], { model: 'iris' });
  // @ts-expect-error a number for a string
  await client.predict({ flag: true, half: [1, 2], name: 3, any: 1 }, { model: 'mixed' });
  const { outputs } = await client.infer('iris', { features: row });
  // @ts-expect-error 64-bit integers are no numbers
  const wrong: Int32Array = outputs.label.data;
  void wrong;
}

export async function wrongShapes(): Promise<void> {
  // @ts-expect-error one dimension too few
  await client.infer('iris', { features: { shape: [4], data: floats } });
  // @ts-expect-error one too many
  await client.infer('iris', { features: { shape: [1, 1, 4], data: floats } });
  // @ts-expect-error another size of a fixed dimension
  await client.infer('iris', { features: { shape: [1, 5], data: floats } });
  // @ts-expect-error the rank of a list is not known
  await grpc.infer('iris', { features: { shape: [1, 4] as number[], data: floats } });
  // @ts-expect-error not even for a variable dimension
  await client.infer('iris', { features: { shape: ['1', 4], data: floats } });
}

it('refuses interfaces that are no models', () => {
  // @ts-expect-error not what hotpath types writes
  createClient<{ iris: { inputs: string } }>({ url: 'http://127.0.0.1:1' });
  assert.equal(typeof goodCalls, 'function');
  grpc.close();
});
