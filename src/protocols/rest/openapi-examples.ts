/** Real requests and answers of the Iris model for the OpenAPI document; the page prefills its form with the first. Data only. */
import type { Example } from './openapi-types.ts';

const setosa = [5.1, 3.5, 1.4, 0.2];
const virginica = [6.7, 3.0, 5.2, 2.3];
const iris = { model: 'iris', version: '1' };
const timing = { decodeMs: 0.389, queueMs: 1.247, batchMs: 0.508, inferMs: 0.446, batchRows: 1, release: 'idle' };
const digest = 'c34934d984918b69d5c4025dfe1d194171e4494d08532995eeb05653a058d180';

type Examples = Readonly<Record<string, Example>>;

const features = { summary: 'One flower', value: { features: setosa } };
const namedInputs = {
  summary: 'Tensors by name',
  value: { inputs: { features: { shape: [1, 4], datatype: 'float32', data: setosa } } },
};
const batch = { summary: 'Two flowers', value: { instances: [setosa, virginica] } };
const options = {
  summary: 'With a model and a deadline',
  value: { model: 'iris', features: setosa, options: { timeoutMs: 250, priority: 0 } },
};

export const requestExamples = {
  predict: { features, namedInputs, options },
  batch: { batch },
  model: { features, namedInputs, batch },
} as const satisfies Record<string, Examples>;

const one = {
  summary: 'One row',
  value: { prediction: 0, probabilities: [1, 0, 0], label: 'setosa', ...iris, timing },
};
const many = {
  summary: 'Many rows',
  value: {
    predictions: [0, 2],
    probabilities: [
      [1, 0, 0],
      [0, 0.00999999, 0.99],
    ],
    labels: ['setosa', 'virginica'],
    count: 2,
    ...iris,
    timing: { ...timing, batchRows: 2 },
  },
};
const tensors = {
  summary: 'Named outputs',
  value: {
    outputs: {
      label: { datatype: 'int64', shape: [1], data: [0] },
      probabilities: { datatype: 'float32', shape: [1, 3], data: [1, 0, 0] },
    },
    ...iris,
    timing,
  },
};

export const answerExamples = {
  predict: { one, tensors },
  batch: { many },
  model: { one, tensors, many },
} as const satisfies Record<string, Examples>;

export const linesExample: Examples = {
  lines: {
    summary: 'Two rows and the last line',
    value: [
      '{"prediction":0,"probabilities":[1,0,0],"label":"setosa"}',
      '{"prediction":2,"probabilities":[0,0.00999999,0.99],"label":"virginica"}',
      JSON.stringify({ count: 2, ...iris, timing: { ...timing, batchRows: 2 } }),
    ].join('\n'),
  },
};

const quiet = {
  requestsPerSecond: 120.4,
  errorsPerSecond: 0,
  rowsPerSecond: 120.4,
  p50Ms: 1.1,
  p95Ms: 2.3,
  p99Ms: 4.2,
  meanBatchRows: 1.7,
};

export const healthExample: Examples = {
  ready: {
    summary: 'Ready',
    value: {
      state: 'ready',
      version: '0.1.0',
      uptimeSeconds: 61.2,
      memory: { rssBytes: 167301120, heapUsedBytes: 25279736, limitBytes: 25276510208 },
      performance: { last10s: { seconds: 10, ...quiet }, last60s: { seconds: 60, ...quiet } },
      optimizations: ['iris 1: 1 × 1 threads on cpu, batches of up to 256 rows'],
      notes: [],
    },
  },
};

const model = {
  name: 'iris',
  version: '1',
  state: 'ready',
  labels: [],
  digest,
  loaded: {
    signature: {
      inputs: [{ name: 'features', datatype: 'float32', shape: [-1, 4] }],
      outputs: [
        { name: 'label', datatype: 'int64', shape: [-1] },
        { name: 'probabilities', datatype: 'float32', shape: [-1, 3] },
      ],
      skippedOutputs: [],
    },
    executionProvider: 'cpu',
    instances: 1,
    availableInstances: 1,
    intraOpThreads: 1,
    memoryBytes: 12636160,
    pinned: false,
    loadMs: 295.7,
    batching: { enabled: true, maxBatchSize: 256 },
    sloMs: 1000,
    sloInfeasible: false,
    cost: { perRowMs: 0.00043, fixedMs: 0.13, relativeError: 0.15 },
    batchCurve: [
      { rows: 1, ms: 0.13 },
      { rows: 256, ms: 0.24 },
    ],
    capacityRowsPerSecond: 1068160,
    notes: [],
  },
};

export const modelExample: Examples = { ready: { summary: 'A model in use', value: model } };
export const modelsExample: Examples = {
  iris: { summary: 'One model', value: { defaultModel: 'iris', models: [model] } },
};
