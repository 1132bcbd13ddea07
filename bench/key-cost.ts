/** What a cache key costs, in this process: medians over blocks of the keyspace's own calls. */
import { createKeyDigest } from '../src/adapters/key-digest.ts';
import { Keyspace } from '../src/core/cache/cache-key.ts';
import type { Tensor } from '../src/core/tensor.ts';
import { syntheticRow } from './rows.ts';
import { median } from './stats.ts';

const BLOCKS = 15;

export function measureKeys(): { readonly smallUs: number; readonly largeUs: number } {
  return { smallUs: keyUs([4], 200_000), largeUs: keyUs([3, 224, 224], 500) };
}

/** Each call has another row, so that nothing can be remembered. */
function keyUs(rowShape: readonly number[], calls: number): number {
  const inputs = [{ name: 'X', datatype: 'float32', shape: [-1, ...rowShape] }] as const;
  const identity = { model: 'bench', version: '1', contentHash: 'none', inputs, rowwise: true };
  const keyspace = new Keyspace(identity, 1, createKeyDigest());
  const elements = rowShape.reduce((product, dim) => product * dim, 1);
  const rows = Array.from({ length: 16 }, (_, index): Tensor[] => [
    { datatype: 'float32', shape: [1, ...rowShape], data: syntheticRow(elements, index) as Float32Array<ArrayBuffer> },
  ]);
  const blocks: number[] = [];
  let length = 0;
  for (let block = 0; block < BLOCKS; block++) {
    const begunMs = performance.now();
    for (let call = 0; call < calls; call++) length += keyspace.memoryKey(rows[call % rows.length]!, 0).length;
    blocks.push(((performance.now() - begunMs) * 1000) / calls);
  }
  if (length === 0) throw new Error('There were no keys.');
  return median(blocks);
}
