/**
 * When a model runs: batch sizes, delays, queue policies and versions of a config.pbtxt as batching settings. Called by
 * to-model-config.ts.
 */
import { wrongField } from './config-problem.ts';
import { type Mapping, note, withinLimits } from './mapping.ts';
import type { WrittenConfig } from './model-config-schema.ts';

type DynamicBatching = NonNullable<WrittenConfig['dynamic_batching']>;
type SequenceBatching = NonNullable<WrittenConfig['sequence_batching']>;
type QueuePolicy = NonNullable<DynamicBatching['default_queue_policy']>;

export function mapScheduling(mapping: Mapping, written: WrittenConfig): void {
  mapVersions(mapping, written);
  mapBatchSize(mapping, written);
  const { dynamic_batching: batching, max_batch_size: maxBatchSize = 0 } = written;
  if (batching !== undefined) mapDynamicBatching(mapping, batching, maxBatchSize);
}

export function mapVersions(mapping: Mapping, { version_policy: policy }: WrittenConfig): void {
  if (policy === undefined) return;
  const { latest, all, specific } = policy;
  if (all !== undefined) mapping.model.versionPolicy = 'all';
  else if (latest !== undefined) {
    const { num_versions: versions = 0 } = latest;
    if (versions < 1) throw wrongField('version_policy.latest.num_versions', 'must be at least 1.');
    const latestCount = withinLimits(mapping, 'version_policy.latest.num_versions', versions, 1, 10_000);
    mapping.model.versionPolicy = { latest: latestCount };
  } else if (specific !== undefined) {
    const { versions = [] } = specific;
    if (versions.length === 0) throw wrongField('version_policy.specific.versions', 'names no version.');
    const wrong = versions.find((version) => version < 1);
    if (wrong !== undefined)
      throw wrongField('version_policy.specific.versions', `holds ${wrong}; versions start at 1.`);
    mapping.model.versionPolicy = versions.map(String);
  }
}

function mapBatchSize(mapping: Mapping, written: WrittenConfig): void {
  const { max_batch_size: size, input, sequence_batching: sequence } = written;
  if (sequence !== undefined) mapSequences(mapping, sequence);
  // Triton completes a file without both from the model, and so does the probe.
  if (size === undefined && input === undefined) return;
  if ((size ?? 0) === 0) mapping.model.batching = 'off';
  else mapping.model.maxBatchSize = withinLimits(mapping, 'max_batch_size', size!, 1, 65_536);
}

/** Both strategies are one here: the server keeps the states, so no instance has to keep a slot for a sequence. */
function mapSequences(mapping: Mapping, { direct, oldest, state = [], iterative_sequence }: SequenceBatching): void {
  const path = 'sequence_batching';
  const delay = oldest?.max_queue_delay_microseconds ?? 0;
  if (delay > 0) {
    const field = `${path}.oldest.max_queue_delay_microseconds (in ms)`;
    mapping.model.maxDelayMs = withinLimits(mapping, field, delay / 1000, 0, 60_000);
  }
  // Triton ignores its delay, too, unless a utilization is asked for.
  if ((direct?.minimum_slot_utilization ?? 0) > 0) {
    note(mapping, `${path}.direct.minimum_slot_utilization`, 'has no effect: sequences have no slots.');
  }
  if ((oldest?.preferred_batch_size ?? []).length > 0) {
    note(
      mapping,
      `${path}.oldest.preferred_batch_size`,
      'has no effect: the size of a batch follows the learned cost.',
    );
  }
  if (iterative_sequence === true) {
    note(mapping, `${path}.iterative_sequence`, 'has no effect: the server does not put a request back.');
  }
  if (state.some(({ use_same_buffer_for_input_output: same, use_growable_memory: grows }) => same || grows)) {
    note(mapping, `${path}.state`, 'use_same_buffer_for_input_output and use_growable_memory have no effect.');
  }
}

function mapDynamicBatching(mapping: Mapping, batching: DynamicBatching, maxBatchSize: number): void {
  const { preferred_batch_size: preferred = [], max_queue_delay_microseconds: delay } = batching;
  if (maxBatchSize === 0) note(mapping, 'dynamic_batching', 'has no effect while max_batch_size is 0.');
  if (delay !== undefined) {
    mapping.model.maxDelayMs = withinLimits(
      mapping,
      'dynamic_batching.max_queue_delay_microseconds (in ms)',
      delay / 1000,
      0,
      60_000,
    );
  }
  const wrong = preferred.find((size) => size < 1 || size > maxBatchSize);
  if (wrong !== undefined && maxBatchSize > 0) {
    throw wrongField(
      'dynamic_batching.preferred_batch_size',
      `holds ${wrong}; it must be from 1 to max_batch_size, ${maxBatchSize}.`,
    );
  }
  if (preferred.length > 0) {
    note(
      mapping,
      'dynamic_batching.preferred_batch_size',
      'has no effect: the size of a batch follows the learned cost.',
    );
  }
  if (batching.preserve_ordering === true) {
    note(mapping, 'dynamic_batching.preserve_ordering', 'has no effect: an answer leaves as soon as it is ready.');
  }
  mapPriorities(mapping, batching);
  if (batching.default_queue_policy !== undefined) mapQueuePolicy(mapping, batching.default_queue_policy);
}

function mapPriorities(mapping: Mapping, batching: DynamicBatching): void {
  const { priority_levels: levels = 0, priority_queue_policy: policies = {} } = batching;
  if (levels > 4)
    note(mapping, 'dynamic_batching.priority_levels', `is ${levels}; levels from 4 on share the last of 4 priorities.`);
  const wrong = Object.keys(policies).find((level) => Number(level) < 1 || Number(level) > levels);
  if (wrong !== undefined) {
    throw wrongField('dynamic_batching.priority_queue_policy', `has the key ${wrong}; levels are 1 to ${levels}.`);
  }
  if (Object.keys(policies).length > 0) {
    note(mapping, 'dynamic_batching.priority_queue_policy', 'has no effect: all priorities share one queue.');
  }
}

function mapQueuePolicy(mapping: Mapping, policy: QueuePolicy): void {
  const path = 'dynamic_batching.default_queue_policy';
  const {
    default_timeout_microseconds: timeout = 0,
    max_queue_size: size = 0,
    timeout_action: action = 'REJECT',
  } = policy;
  if (timeout > 0 && action === 'REJECT') {
    const field = `${path}.default_timeout_microseconds`;
    mapping.model.sloMs = withinLimits(mapping, `${field} (in ms)`, timeout / 1000, 0.1, 86_400_000);
    note(mapping, field, 'is the deadline of the whole request here, not only of its wait in the queue.');
    if (policy.allow_timeout_override !== true) {
      note(mapping, `${path}.allow_timeout_override`, 'is taken as true: a request may bring its own timeout.');
    }
  }
  if (action === 'DELAY') note(mapping, `${path}.timeout_action`, 'DELAY has no effect: a request is not put back.');
  if (size > 0) {
    mapping.model.maxQueueRows = withinLimits(mapping, `${path}.max_queue_size`, size, 1, 1_000_000_000);
    note(mapping, `${path}.max_queue_size`, 'counts rows here, not requests.');
  }
}
