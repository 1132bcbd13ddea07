/**
 * Where and how a model runs: `instance_group`, `optimization` and `parameters` of a config.pbtxt as instances, execution
 * providers, threads and session options. Called by to-model-config.ts.
 */
import type { ExecutionProvider } from '../../ports/engine.ts';
import { wrongField } from './config-problem.ts';
import { type Mapping, note, withinLimits } from './mapping.ts';
import type { WrittenConfig } from './model-config-schema.ts';

type Optimization = NonNullable<WrittenConfig['optimization']>;
type Options = Record<string, unknown>;

export function mapExecution(mapping: Mapping, written: WrittenConfig): void {
  const options: Options = {};
  mapInstances(mapping, written);
  mapOptimization(mapping, options, written.optimization ?? {});
  mapParameters(mapping, options, written.parameters ?? {});
  if (Object.keys(options).length > 0) mapping.model.sessionOptions = options;
}

function mapInstances(mapping: Mapping, { instance_group: groups = [] }: WrittenConfig): void {
  let count = 0;
  for (const [index, group] of groups.entries()) {
    const path = `instance_group[${index}]`;
    if ((group.count ?? 1) < 1) throw wrongField(`${path}.count`, `is ${group.count}; it must be at least 1.`);
    if (group.passive === true) note(mapping, `${path}.passive`, 'has no effect: every instance takes requests.');
    if (group.rate_limiter !== undefined)
      note(mapping, `${path}.rate_limiter`, 'has no effect: there is no rate limiter.');
    if ((group.profile ?? []).length > 0) note(mapping, `${path}.profile`, 'has no effect: it is for TensorRT plans.');
    if ((group.secondary_devices ?? []).length > 0) note(mapping, `${path}.secondary_devices`, 'have no effect.');
    if ((group.host_policy ?? '') !== '')
      note(mapping, `${path}.host_policy`, 'has no effect: there are no host policies.');
    if ((group.gpus ?? []).length > 1 || (group.gpus?.[0] ?? 0) !== 0) {
      note(mapping, `${path}.gpus`, 'has no effect: instances run on the first GPU.');
    }
    if (group.kind === 'KIND_MODEL') note(mapping, `${path}.kind`, 'KIND_MODEL is taken as KIND_CPU.');
    count += group.count ?? 0;
  }
  if (count > 0) mapping.model.instances = withinLimits(mapping, 'instance_group.count', count, 1, 256);
  const kinds = new Set(groups.map(({ kind = 'KIND_AUTO' }) => kind));
  if (!kinds.has('KIND_GPU')) return;
  mapping.model.executionProviders = ['cuda'];
  if (kinds.size > 1)
    note(mapping, 'instance_group', 'mixes kinds: all instances of a model run alike, here on the GPU.');
}

/** Levels as Triton's ONNX Runtime backend defines them. */
const graphLevels: Readonly<Record<number, string>> = { [-1]: 'basic', 0: 'all', 1: 'extended', 2: 'disabled' };

function mapOptimization(mapping: Mapping, options: Options, optimization: Optimization): void {
  const { graph, priority = 'PRIORITY_DEFAULT', cuda, execution_accelerators: accelerators } = optimization;
  if (graph !== undefined) {
    const { level = 0 } = graph;
    const name = graphLevels[level];
    if (name === undefined)
      note(mapping, 'optimization.graph.level', `is ${level}, which is not known: -1, 1 and 2 are.`);
    else options.graphOptimizationLevel = name;
  }
  if (priority !== 'PRIORITY_DEFAULT') {
    note(mapping, 'optimization.priority', 'has no effect: models share the cores without priorities.');
  }
  if (cuda !== undefined) note(mapping, 'optimization.cuda', 'has no effect: CUDA graphs are not used.');
  for (const name of ['input_pinned_memory', 'output_pinned_memory'] as const) {
    if (optimization[name] !== undefined) note(mapping, `optimization.${name}`, 'has no effect: memory is not pinned.');
  }
  for (const name of ['gather_kernel_buffer_threshold', 'eager_batching'] as const) {
    if (optimization[name] !== undefined) note(mapping, `optimization.${name}`, 'has no effect.');
  }
  if (accelerators !== undefined) mapAccelerators(mapping, accelerators);
}

const providers: Readonly<Record<string, ExecutionProvider>> = { tensorrt: 'tensorrt', cuda: 'cuda', webgpu: 'webgpu' };

function mapAccelerators(mapping: Mapping, written: NonNullable<Optimization['execution_accelerators']>): void {
  const path = 'optimization.execution_accelerators';
  const wanted: ExecutionProvider[] = [];
  for (const [index, { name = '', parameters = {} }] of (written.gpu_execution_accelerator ?? []).entries()) {
    const field = `${path}.gpu_execution_accelerator[${index}]`;
    if (!Object.hasOwn(providers, name))
      note(mapping, field, `"${name}" has no effect: tensorrt, cuda and webgpu are known.`);
    else wanted.push(providers[name]!);
    const keys = Object.keys(parameters);
    if (keys.length > 0) note(mapping, `${field}.parameters`, `have no effect: ${keys.join(', ')}.`);
  }
  for (const [index, { name = '' }] of (written.cpu_execution_accelerator ?? []).entries()) {
    note(
      mapping,
      `${path}.cpu_execution_accelerator[${index}]`,
      `"${name}" has no effect: the runtime’s own CPU kernels are used.`,
    );
  }
  if (wanted.length === 0) return;
  mapping.model.executionProviders = [...new Set([...wanted, ...(mapping.model.executionProviders ?? [])])];
}

/** The parameters of Triton's ONNX Runtime backend that are numbers or switches. */
const switches: Readonly<Record<string, string>> = {
  enable_mem_arena: 'enableCpuMemArena',
  enable_mem_pattern: 'enableMemPattern',
};

function mapParameters(mapping: Mapping, options: Options, parameters: NonNullable<WrittenConfig['parameters']>): void {
  for (const [key, { string_value: text = '' }] of Object.entries(parameters)) {
    const field = `parameters["${key}"]`;
    if (key === 'intra_op_thread_count' || key === 'inter_op_thread_count')
      mapThreads(mapping, options, field, key, text);
    else if (key === 'execution_mode') options.executionMode = readSwitch(field, text) ? 'parallel' : 'sequential';
    else if (Object.hasOwn(switches, key)) options[switches[key]!] = readSwitch(field, text);
    else if (/^session(\.[a-z0-9_]+)+$/.test(key)) addExtra(options, key, text);
    else note(mapping, field, 'has no effect: no part of the server reads it.');
  }
}

function mapThreads(mapping: Mapping, options: Options, field: string, key: string, text: string): void {
  if (!/^[0-9]{1,9}$/.test(text))
    throw wrongField(field, `is "${text.slice(0, 40)}"; expected a whole number in quotes.`);
  const count = Number(text);
  // 0 leaves the number to the runtime in Triton, and to the plan here.
  if (count === 0) return;
  if (key === 'intra_op_thread_count') mapping.model.intraOpThreads = withinLimits(mapping, field, count, 1, 256);
  else options.interOpNumThreads = count;
}

function readSwitch(field: string, text: string): boolean {
  if (text === '0' || text === '1') return text === '1';
  throw wrongField(field, `is "${text.slice(0, 40)}"; expected "0" or "1".`);
}

/** Keys such as `session.disable_prepacking` go to the runtime as they are. */
function addExtra(options: Options, key: string, text: string): void {
  options.extra = { ...(options.extra as Options | undefined), [key]: text };
}
