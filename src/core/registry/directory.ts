/**
 * Names -> records, with as few looks at the source as possible: a record is looked up again at most once a second, an
 * unknown name is refused from memory for a second, and concurrent look-ups of one name share one. Also knows the default model.
 * Asked only when a version is not ready; it never loads anything.
 */
import type { Clock } from '../../ports/clock.ts';
import type { ModelEntry, ModelSource } from '../../ports/model-source.ts';
import { HotpathError } from '../errors.ts';
import type { ModelRunner } from './dependencies.ts';
import { modelNotFound, quote } from './failures.ts';
import { ModelRecord } from './model-record.ts';

const recheckMs = 1000;
/** Clients choose unknown names freely: remembering them must not become a leak. */
const maxMissing = 1024;

export class Directory<R extends ModelRunner> {
  readonly records = new Map<string, ModelRecord<R>>();
  readonly #source: ModelSource;
  readonly #clock: Clock;
  readonly #configuredDefault: string | undefined;
  /** Unknown name -> when it may be looked up again. */
  readonly #missing = new Map<string, number>();
  readonly #looking = new Map<string, Promise<ModelRecord<R>>>();
  #listing: Promise<readonly ModelEntry[]> | undefined;
  #noDefault: { readonly error: HotpathError; readonly untilMs: number } | undefined;
  /** The model of requests that name none, once it is known. */
  defaultName: string | undefined;

  constructor(source: ModelSource, clock: Clock, configuredDefault: string) {
    this.#source = source;
    this.#clock = clock;
    this.#configuredDefault = configuredDefault === '' ? undefined : configuredDefault;
    this.defaultName = this.#configuredDefault;
  }

  /** @throws MODEL_NOT_FOUND. */
  async find(name: string): Promise<ModelRecord<R>> {
    const nowMs = this.#clock.now();
    const known = this.records.get(name);
    if (known !== undefined && nowMs - known.checkedAtMs < recheckMs) return known;
    if (known === undefined && (this.#missing.get(name) ?? Number.NEGATIVE_INFINITY) > nowMs) throw modelNotFound(name);
    return this.refresh(name);
  }

  /** Looks at the source now. @throws MODEL_NOT_FOUND. */
  refresh(name: string): Promise<ModelRecord<R>> {
    const running = this.#looking.get(name);
    if (running !== undefined) return running;
    const look = this.#look(name).finally(() => this.#looking.delete(name));
    this.#looking.set(name, look);
    return look;
  }

  /** Looks at everything in the source and returns the records, by name. */
  async refreshAll(): Promise<ModelRecord<R>[]> {
    const entries = await this.#list();
    const present = new Set(entries.map((entry) => entry.name));
    for (const entry of entries) this.#take(entry);
    for (const record of this.records.values()) if (!present.has(record.name)) this.#dropIdle(record);
    return [...this.records.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The configured default, else the only model, else iris. @throws MODEL_NOT_FOUND listing the models. */
  async findDefault(): Promise<string> {
    if (this.defaultName !== undefined) return this.defaultName;
    if (this.#noDefault !== undefined && this.#clock.now() < this.#noDefault.untilMs) throw this.#noDefault.error;
    const records = await this.refreshAll();
    const names = records.filter((record) => record.served.files.length > 0).map((record) => record.name);
    const chosen = names.length === 1 ? names[0] : names.find((name) => name === 'iris');
    if (chosen === undefined) {
      this.#noDefault = { error: noDefault(names), untilMs: this.#clock.now() + recheckMs };
      throw this.#noDefault.error;
    }
    this.defaultName = chosen;
    return chosen;
  }

  /** Something changed in the source: what was concluded from absence no longer holds. */
  forgetAbsence(name: string): void {
    this.#missing.delete(name);
    this.#noDefault = undefined;
    this.defaultName = this.#configuredDefault;
  }

  remove(record: ModelRecord<R>): void {
    record.removed = true;
    if (this.records.get(record.name) === record) this.records.delete(record.name);
    this.forgetAbsence(record.name);
  }

  async #look(name: string): Promise<ModelRecord<R>> {
    const entry = await this.#source.find(name);
    if (entry !== undefined) return this.#take(entry);
    const known = this.records.get(name);
    if (known !== undefined) this.#dropIdle(known);
    if (this.records.has(name)) return known!;
    if (this.#missing.size >= maxMissing) this.#missing.clear();
    this.#missing.set(name, this.#clock.now() + recheckMs);
    throw modelNotFound(name);
  }

  #take(entry: ModelEntry): ModelRecord<R> {
    const nowMs = this.#clock.now();
    const known = this.records.get(entry.name);
    if (known !== undefined) {
      known.adoptQuietly(entry, nowMs);
      return known;
    }
    const record = new ModelRecord<R>(entry, nowMs);
    this.records.set(entry.name, record);
    this.#missing.delete(entry.name);
    return record;
  }

  /** A model whose folder is gone but which still serves stays until a reload or an unload. */
  #dropIdle(record: ModelRecord<R>): void {
    record.checkedAtMs = this.#clock.now();
    if (!record.busy) this.remove(record);
  }

  #list(): Promise<readonly ModelEntry[]> {
    this.#listing ??= this.#source.list().finally(() => {
      this.#listing = undefined;
    });
    return this.#listing;
  }
}

function noDefault(names: readonly string[]): HotpathError {
  const message =
    names.length === 0
      ? 'The model repository is empty: put a model into it as <name>/1/model.onnx.'
      : `The request names no model and there is no default among: ${names.map(quote).join(', ')}.`;
  return new HotpathError('MODEL_NOT_FOUND', message, { field: 'model' });
}
