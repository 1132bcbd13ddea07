/**
 * A TritonModelConfig in the JSON form that Triton's `/v2/models/<name>/config` answers with: names of the .proto file, every
 * scalar, list and map present, messages only where written, and the defaults that Triton fills in. Called by protocols through
 * the composition root.
 */
import type { TritonModelConfig } from '../../ports/triton-config.ts';
import { modelConfigSchema, type WrittenConfig } from './model-config-schema.ts';
import type { Field, FieldType, Leaf, MessageType } from './schema-types.ts';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

const defaultIdleMicroseconds = 1_000_000;

/** @param instances how many run, for a model whose file does not say. @default 1 */
export function renderTritonJson(config: TritonModelConfig, instances = 1): { readonly [name: string]: Json } {
  return renderMessage(withDefaults(config, instances), modelConfigSchema);
}

/** What Triton adds to a configuration when it loads it. */
function withDefaults(config: TritonModelConfig, instances: number): WrittenConfig {
  const written = config.written as WrittenConfig;
  const { dynamic_batching: dynamic, sequence_batching: sequence, version_policy: policy } = written;
  const sizes = config.maxBatchSize > 0 ? [config.maxBatchSize] : [];
  const shared: WrittenConfig = {
    ...written,
    name: config.name,
    version_policy: policy ?? { latest: { num_versions: 1 } },
    ...(dynamic === undefined ? {} : { dynamic_batching: { ...dynamic, ...preferred(dynamic, sizes) } }),
    ...(sequence === undefined ? {} : { sequence_batching: fillSequence(sequence, sizes) }),
  };
  if (config.kind === 'ensemble') return { ...shared, platform: 'ensemble' };
  const enabled = { enable: true };
  return {
    ...shared,
    platform: 'onnxruntime_onnx',
    backend: 'onnxruntime',
    default_model_filename: config.modelFile,
    optimization: { input_pinned_memory: enabled, output_pinned_memory: enabled, ...written.optimization },
    instance_group: fillGroups(config, written, instances),
  };
}

function preferred<T extends { readonly preferred_batch_size?: readonly number[] }>(
  batching: T,
  sizes: readonly number[],
) {
  const written = batching.preferred_batch_size ?? [];
  return { preferred_batch_size: written.length === 0 ? sizes : written };
}

function fillSequence(
  sequence: NonNullable<WrittenConfig['sequence_batching']>,
  sizes: readonly number[],
): NonNullable<WrittenConfig['sequence_batching']> {
  const { oldest, max_sequence_idle_microseconds: idle = 0 } = sequence;
  return {
    ...sequence,
    max_sequence_idle_microseconds: idle === 0 ? defaultIdleMicroseconds : idle,
    ...(oldest === undefined ? {} : { oldest: { ...oldest, ...preferred(oldest, sizes) } }),
  };
}

function fillGroups({ name }: TritonModelConfig, { instance_group: groups = [] }: WrittenConfig, instances: number) {
  if (groups.length === 0) return [{ name, kind: 'KIND_CPU' as const, count: instances }];
  return groups.map((group, index) => ({ name: `${name}_${index}`, kind: 'KIND_CPU' as const, count: 1, ...group }));
}

function renderMessage(message: object, type: MessageType): { readonly [name: string]: Json } {
  const rendered: [string, Json][] = [];
  for (const [name, field] of Object.entries(type.fields)) {
    const value = (message as Readonly<Record<string, unknown>>)[name];
    const oneof = type.oneofs.some((names) => names.includes(name));
    const json = value === undefined ? (oneof ? undefined : absent(field)) : renderField(value, field);
    if (json !== undefined) rendered.push([name, json]);
  }
  return Object.fromEntries(rendered);
}

function renderField(value: unknown, field: Field): Json {
  if (field.count === 'list') return (value as readonly unknown[]).map((item) => renderValue(item, field));
  if (field.count === 'one') return renderValue(value, field);
  return Object.fromEntries(Object.entries(value as object).map(([key, item]) => [key, renderValue(item, field)]));
}

function renderValue(value: unknown, { type, textInJson }: Field): Json {
  if (typeof type === 'object' && type.kind === 'message') return renderMessage(value as object, type);
  // JSON has no infinities; protobuf writes them as texts.
  if (textInJson === true || (typeof value === 'number' && !Number.isFinite(value))) return String(value);
  return value as Json;
}

const zeros: Readonly<Record<Leaf, Json>> = {
  string: '',
  bool: false,
  int32: 0,
  int64: 0,
  uint32: 0,
  uint64: 0,
  float: 0,
  double: 0,
};

/** What stands for a field that was not written; undefined for a message. */
function absent({ count, type, textInJson }: Field<FieldType>): Json | undefined {
  if (count === 'list') return [];
  if (count === 'map') return {};
  if (typeof type === 'string') return textInJson === true ? '0' : zeros[type];
  return type.kind === 'enum' ? type.names[0]! : undefined;
}
