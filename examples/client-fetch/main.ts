/**
 * A client with nothing but fetch: one prediction as JSON, a batch as JSON, and the same batch as raw float32 bytes.
 * Usage: node examples/client-fetch/main.ts [url of the server]
 */
const server = process.argv[2] ?? 'http://127.0.0.1:8000';

interface Prediction {
  readonly prediction: number;
  readonly label: string;
  readonly probabilities: readonly number[];
}

/** An answer that is no success is `{"error": {"code", "message"}}`, whatever was asked for. */
async function post(
  path: string,
  body: string | Float32Array<ArrayBuffer>,
  headers: Record<string, string>,
): Promise<Response> {
  const response = await fetch(`${server}${path}`, { method: 'POST', body, headers });
  if (response.ok) return response;
  const { error } = (await response.json()) as { error: { code: string; message: string } };
  throw new Error(`${error.code}: ${error.message}`);
}

async function predictOne(features: readonly number[]): Promise<Prediction> {
  const body = JSON.stringify({ model: 'iris', features });
  const response = await post('/api/v1/predict', body, { 'content-type': 'application/json' });
  return (await response.json()) as Prediction;
}

async function predictMany(instances: readonly (readonly number[])[]): Promise<readonly string[]> {
  const body = JSON.stringify({ model: 'iris', instances });
  const response = await post('/api/v1/predict/batch', body, { 'content-type': 'application/json' });
  return ((await response.json()) as { labels: string[] }).labels;
}

/** Raw little-endian bytes both ways: nothing is printed or parsed. The name of the wanted output goes into a header. */
async function predictBinary(rows: Float32Array<ArrayBuffer>): Promise<Float32Array> {
  const response = await post('/api/v1/models/iris/predict', rows, {
    'content-type': 'application/octet-stream',
    accept: 'application/octet-stream',
    'x-tensor-outputs': 'probabilities',
  });
  console.log(`binary: ${response.headers.get('x-tensor-datatype')} [${response.headers.get('x-tensor-shape')}]`);
  return new Float32Array(await response.arrayBuffer());
}

const flowers = [
  [5.1, 3.5, 1.4, 0.2],
  [6, 2.7, 5.1, 1.6],
  [6.3, 3.3, 6, 2.5],
];

const one = await predictOne(flowers[0]!);
console.log(`one: ${one.label} ${JSON.stringify(one.probabilities)}`);
console.log(`many: ${(await predictMany(flowers)).join(', ')}`);
const probabilities = await predictBinary(new Float32Array(flowers.flat()));
for (let row = 0; row < flowers.length; row++) {
  console.log([...probabilities.subarray(3 * row, 3 * row + 3)].map((value) => value.toFixed(3)).join(' '));
}
