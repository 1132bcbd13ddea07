/** The part of Triton's ModelConfig that is about tensors: datatypes, inputs, outputs. Data only; see model-config-schema.ts. */
import type { Datatype } from '../../core/tensor.ts';
import { enumOf, list, message, one } from './schema-types.ts';

export const dataType = enumOf(
  'TYPE_INVALID',
  'TYPE_BOOL',
  'TYPE_UINT8',
  'TYPE_UINT16',
  'TYPE_UINT32',
  'TYPE_UINT64',
  'TYPE_INT8',
  'TYPE_INT16',
  'TYPE_INT32',
  'TYPE_INT64',
  'TYPE_FP16',
  'TYPE_FP32',
  'TYPE_FP64',
  'TYPE_STRING',
  'TYPE_BF16',
);

export type DataTypeName = (typeof dataType.names)[number];

/** Undefined for what no tensor of the server can be. */
export const datatypeOf: Readonly<Record<DataTypeName, Datatype | undefined>> = {
  TYPE_INVALID: undefined,
  TYPE_BOOL: 'bool',
  TYPE_UINT8: 'uint8',
  TYPE_UINT16: 'uint16',
  TYPE_UINT32: 'uint32',
  TYPE_UINT64: 'uint64',
  TYPE_INT8: 'int8',
  TYPE_INT16: 'int16',
  TYPE_INT32: 'int32',
  TYPE_INT64: 'int64',
  TYPE_FP16: 'float16',
  TYPE_FP32: 'float32',
  TYPE_FP64: 'float64',
  TYPE_STRING: 'string',
  TYPE_BF16: undefined,
};

const reshape = message({ shape: list('int64') });

export const input = message({
  name: one('string'),
  data_type: one(dataType),
  format: one(enumOf('FORMAT_NONE', 'FORMAT_NHWC', 'FORMAT_NCHW')),
  dims: list('int64'),
  reshape: one(reshape),
  is_shape_tensor: one('bool'),
  allow_ragged_batch: one('bool'),
  optional: one('bool'),
  is_non_linear_format_io: one('bool'),
});

export const output = message({
  name: one('string'),
  data_type: one(dataType),
  dims: list('int64'),
  reshape: one(reshape),
  label_filename: one('string'),
  is_shape_tensor: one('bool'),
  is_non_linear_format_io: one('bool'),
});
