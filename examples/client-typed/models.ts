/**
 * The models of http://127.0.0.1:8000 as types for createClient<Models>(). Do not edit; write it anew with
 *
 *   hotpath types iris --url http://127.0.0.1:8000 --out examples/client-typed/models.ts
 */
export interface Models {
  iris: {
    inputs: {
      features: { datatype: 'float32'; shape: [number, 4] };
    };
    outputs: {
      label: { datatype: 'int64'; shape: [number] };
      probabilities: { datatype: 'float32'; shape: [number, 3] };
    };
  };
}
