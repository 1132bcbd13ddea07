/** The client's messages against the server's codec: what one writes the other reads as the same tensors. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { NamedTensor, Tensor } from '../core/tensor.ts';
import { joinFrame } from '../protocols/grpc/frame.ts';
import { decodeInferRequest } from '../protocols/grpc/infer-request.ts';
import { encodeInferResponse } from '../protocols/grpc/infer-response.ts';
import { readMessage, writeMessage } from '../protocols/grpc/messages.ts';
import { bindInputs } from '../protocols/oip/bind-inputs.ts';
import { anyTensor, modelView } from '../protocols/oip/testing/oip-fixtures.ts';
import { HotpathClientError } from './client-error.ts';
import { inferCallOf } from './infer-api.ts';
import {
  decodeFlag,
  decodeInferResponse,
  decodeMetadata,
  encodeInferRequest,
  encodeModelName,
} from './node-grpc-messages.ts';

const limits = { maxInputs: 8, maxDims: 8 };

const tensors: fc.Arbitrary<NamedTensor[]> = fc
  .uniqueArray(fc.oneof(fc.constant('__proto__'), fc.string({ maxLength: 200 })), { minLength: 1, maxLength: 4 })
  .chain((names) =>
    fc.tuple(...names.map((each) => anyTensor.map((tensor): NamedTensor => ({ name: each, ...tensor })))),
  );

const plain = ({ datatype, shape, data }: Tensor): Tensor => ({ datatype, shape, data });

const parameters = fc.dictionary(
  fc.string({ minLength: 1, maxLength: 20 }).filter((key) => key !== '__proto__'),
  fc.oneof(fc.boolean(), fc.string(), fc.maxSafeInteger(), fc.double({ noNaN: true })),
  { maxKeys: 4 },
);

describe('encodeInferRequest', () => {
  it('writes what the server reads as the same call, for every datatype and parameter', () => {
    fc.assert(
      fc.property(tensors, fc.string(), fc.array(fc.string()), parameters, (list, id, outputs, given) => {
        const named = outputs.slice(0, limits.maxInputs);
        const inputs = Object.fromEntries(list.map((tensor) => [tensor.name, tensor]));
        const call = inferCallOf(inputs, { id, outputs: named, priority: 1, parameters: given });
        const request = decodeInferRequest(encodeInferRequest('modèle', '3', call).join(), limits);
        assert.deepEqual([request.model, request.version, request.id ?? ''], ['modèle', '3', id]);
        assert.deepEqual(
          (request.outputs ?? []).map(({ name }) => name),
          named,
        );
        assert.deepEqual({ ...request.parameters }, { ...given, priority: 2 });
        const model = modelView(list.map(({ name, datatype, shape }) => ({ name, datatype, shape })));
        assert.deepEqual(bindInputs(request, model, limits), list.map(plain));
      }),
      { numRuns: 300 },
    );
  });
});

describe('decodeInferResponse', () => {
  it('reads what the server writes as the same tensors, raw and typed, for every datatype', () => {
    fc.assert(
      fc.property(tensors, fc.string(), fc.boolean(), (list, id, typed) => {
        const answer = { model: 'm', version: '4', id, parameters: { extra: 5 }, outputs: list };
        const message = Buffer.from(joinFrame(encodeInferResponse(answer, 'response', typed)));
        const result = decodeInferResponse(message);
        assert.deepEqual([result.model, result.version, result.id ?? ''], ['m', '4', id]);
        assert.deepEqual(
          Object.entries(result.outputs),
          Object.entries(Object.fromEntries(list.map((tensor) => [tensor.name, plain(tensor)]))),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('answers INVALID_RESPONSE, and nothing else, to any other bytes', () => {
    const good = Buffer.from(
      joinFrame(
        encodeInferResponse(
          {
            model: 'm',
            version: '1',
            id: '',
            parameters: undefined,
            outputs: [{ name: 'y', datatype: 'string', shape: [1], data: ['x'] }],
          },
          'response',
          false,
        ),
      ),
    );
    const torn = fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, byte]) => {
      const bytes = Buffer.from(good);
      bytes[at] = byte;
      return bytes;
    });
    const cut = fc.nat(good.length - 1).map((length) => good.subarray(0, length));
    const noise = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.oneof(torn, cut, noise), (bytes) => {
        try {
          decodeInferResponse(bytes);
        } catch (error) {
          assert.ok(error instanceof HotpathClientError, String(error));
          assert.equal(error.code, 'INVALID_RESPONSE');
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('the small messages', () => {
  it('name a model as the server reads it', () => {
    const message = encodeModelName('iris', '2').join();
    const { name, version } = readMessage<{ name: string; version: string }>('inference.ModelMetadataRequest', message);
    assert.deepEqual([name, version], ['iris', '2']);
  });

  it('read flags and metadata as the server writes them', () => {
    const flag = (live: boolean) => decodeFlag(Buffer.from(writeMessage('inference.ServerLiveResponse', { live })));
    assert.deepEqual([flag(true), flag(false)], [true, false]);
    const inputs = [{ name: 'x', datatype: 'FP32', shape: [-1, 4] }];
    const outputs = [{ name: 'y', datatype: 'BYTES', shape: [] }];
    const wire = { name: 'm', versions: ['1', '2'], platform: 'onnxruntime_onnx', inputs, outputs };
    assert.deepEqual(decodeMetadata(Buffer.from(writeMessage('inference.ModelMetadataResponse', wire))), {
      ...wire,
      inputs: [{ name: 'x', datatype: 'float32', shape: [-1, 4] }],
      outputs: [{ name: 'y', datatype: 'string', shape: [] }],
    });
  });
});
