/**
 * A client whose models are known to the compiler: another name, datatype or rank below does not compile.
 * Usage: node examples/client-typed/main.ts [url of the server]
 */

// In a project of yours: import { createClient, HotpathClientError } from 'hotpath/client';
import { createClient, HotpathClientError } from '../../src/client/client.ts';
import type { Models } from './models.ts';

const client = createClient<Models>({ url: process.argv[2] ?? 'http://127.0.0.1:8000', timeoutMs: 5000 });

const { label, probabilities } = await client.predict([5.1, 3.5, 1.4, 0.2], { model: 'iris' });
console.log(`one: ${label} ${JSON.stringify(probabilities)}`);

const flowers = [
  [5.1, 3.5, 1.4, 0.2],
  [6, 2.7, 5.1, 1.6],
  [6.3, 3.3, 6, 2.5],
];
const { labels } = await client.predictBatch(flowers, { model: 'iris' });
console.log(`many: ${labels?.join(', ')}`);

const features = { shape: [3, 4], data: new Float32Array(flowers.flat()) } as const;
const { outputs } = await client.infer('iris', { features });
// A BigInt64Array and a Float32Array, as models.ts says.
console.log(`tensors: ${outputs.label.data.join(' ')} of ${outputs.probabilities.shape.join('x')}`);

try {
  await client.predict([5.1, 3.5], { model: 'iris' });
} catch (error) {
  if (!(error instanceof HotpathClientError)) throw error;
  console.log(`mistake: ${error.code} ${error.status}: ${error.message}`);
}
