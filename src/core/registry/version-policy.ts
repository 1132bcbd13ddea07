/**
 * Which versions of a model are served, and which one a request means. A version that a label points to is served besides
 * those of the policy, so that `stable` can stay on 1 while the newest is 2; but only the policy decides what the newest is.
 * Pure functions of an entry; called when an entry is adopted and when a version is not ready yet.
 */
import type { ModelEntry, ModelFile } from '../../ports/model-source.ts';
import { HotpathError } from '../errors.ts';
import { quote } from './failures.ts';

export interface ServedVersions {
  /** Ascending by number. */
  readonly files: readonly ModelFile[];
  /** What a request without a version gets. */
  readonly newest: ModelFile | undefined;
}

/** @default policy: the latest one */
export function serveVersions(entry: ModelEntry): ServedVersions {
  const byPolicy = versionsOfPolicy(entry);
  const labelled = new Set(Object.values(entry.config.labels ?? {}));
  const files = entry.versions.filter((file) => byPolicy.includes(file) || labelled.has(file.version));
  return { files, newest: byPolicy.at(-1) ?? files.at(-1) };
}

/** @throws MODEL_NOT_FOUND naming the versions and labels that exist. */
export function resolveVersion(entry: ModelEntry, served: ServedVersions, wanted: string | undefined): ModelFile {
  if (wanted === undefined) {
    if (served.newest !== undefined) return served.newest;
    throw notFound(noVersion(entry));
  }
  const version = labelTarget(entry, wanted) ?? wanted;
  const file = served.files.find((candidate) => candidate.version === version);
  if (file !== undefined) return file;
  if (served.files.length === 0) throw notFound(noVersion(entry));
  const label = version === wanted ? '' : `, which label ${quote(wanted)} points to`;
  throw notFound(
    `Model ${quote(entry.name)} has no version ${quote(version)}${label}; it serves: ${inventory(entry, served)}.`,
  );
}

export function labelsOf(entry: ModelEntry, version: string): string[] {
  const labels = Object.entries(entry.config.labels ?? {});
  return labels.filter(([, target]) => target === version).map(([label]) => label);
}

function versionsOfPolicy(entry: ModelEntry): readonly ModelFile[] {
  const policy = entry.config.versionPolicy ?? { latest: 1 };
  if (policy === 'all') return entry.versions;
  if ('latest' in policy) return entry.versions.slice(-policy.latest);
  return entry.versions.filter((file) => policy.includes(file.version));
}

function labelTarget(entry: ModelEntry, label: string): string | undefined {
  const { labels } = entry.config;
  return labels !== undefined && Object.hasOwn(labels, label) ? labels[label] : undefined;
}

function inventory(entry: ModelEntry, served: ServedVersions): string {
  const labels = Object.keys(entry.config.labels ?? {});
  const named = labels.length === 0 ? '' : ` (labels: ${labels.join(', ')})`;
  return served.files.map((file) => file.version).join(', ') + named;
}

/** Why there is nothing to serve. */
export function noVersion({ name, versions, configError }: ModelEntry): string {
  if (configError !== undefined && versions.length === 0) return `Model ${quote(name)} has no version: ${configError}`;
  if (versions.length === 0) return `Model ${quote(name)} has no version; expected a file ${name}/1/model.onnx.`;
  const existing = versions.map((file) => file.version).join(', ');
  return `Model ${quote(name)} serves no version: its versionPolicy names none of those that exist: ${existing}.`;
}

function notFound(message: string): HotpathError {
  return new HotpathError('MODEL_NOT_FOUND', message, { field: 'version' });
}
