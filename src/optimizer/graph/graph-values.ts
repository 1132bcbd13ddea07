/**
 * The part of a graph's edits that concerns no node: constants, types, inputs and outputs. Passes see it as part of Graph, see
 * graph.ts. An edit that would leave a node without its constant is refused.
 */
import type { HotpathError } from '../../core/errors.ts';
import { invalidInput } from '../../core/errors.ts';
import type { ValueInfo } from '../../onnx-file/model.ts';
import type { Constant, NewConstant } from './constant.ts';
import { constantFrom } from './constant.ts';
import { GraphQueries } from './graph-queries.ts';
import type { ValueEntry } from './value-entry.ts';
import { newValueEntry, untypedEntry } from './value-entry.ts';

export class GraphValues extends GraphQueries {
  /** @throws INVALID_INPUT when the name is taken, or data and dims do not fit */
  addInitializer(literal: NewConstant): Constant {
    if (this.isInitializer(literal.name) || this.producerOf(literal.name) !== undefined) throw nameTaken(literal.name);
    return this.setInitializer(literal);
  }

  /** Adds or replaces; a replaced one stays where it stood in the file. Its users are up to the caller. */
  setInitializer(literal: NewConstant): Constant {
    const constant = this.succeed(this.initializer(literal.name), constantFrom(literal));
    this.initializerMap.set(constant.name, constant);
    return constant;
  }

  /** @throws INVALID_INPUT when something still uses it */
  removeInitializer(name: string): void {
    if (this.values.hasUsers(name) || this.isGraphOutput(name)) {
      throw invalidInput(name, `Cannot remove initializer "${name}": it is still used.`);
    }
    this.initializerMap.delete(name);
  }

  /**
   * Takes initializers out of the list of inputs, where old exporters put them: from IR version 4 on, callers could override
   * them there, and nothing could be folded into them. Call it first where weights are to be changed.
   * @returns their names
   */
  fixConstants(): string[] {
    const names = this.inputs.map(({ name }) => name).filter((name) => this.isInitializer(name));
    if (names.length > 0) this.head.irVersion = Math.max(4, this.head.irVersion);
    this.inputList = this.inputList.filter(({ name }) => !this.isInitializer(name));
    return names;
  }

  /** Says (or says anew) which type an inner value has. */
  setValueInfo(info: ValueInfo): void {
    this.valueInfoMap.set(info.name, this.succeed(this.valueInfoMap.get(info.name), newValueEntry(info)));
  }

  /** Forgets the types of all inner values, or of one: after edits that change them. The runtime infers them itself. */
  dropValueInfos(name?: string): void {
    if (name === undefined) this.valueInfoMap.clear();
    else this.valueInfoMap.delete(name);
  }

  /** Replaces the input of that name, or adds one. */
  setGraphInput(info: ValueInfo): void {
    this.inputList = this.#withEntry(this.inputList, newValueEntry(info));
  }

  /** Replaces the output of that name, or adds one. */
  setGraphOutput(info: ValueInfo): void {
    this.outputList = this.#withEntry(this.outputList, newValueEntry(info));
  }

  /** Adds an output whose type the runtime finds itself. */
  addUntypedOutput(value: string): void {
    if (!this.isGraphOutput(value)) this.outputList = [...this.outputList, untypedEntry(value)];
  }

  removeGraphInput(name: string): void {
    this.inputList = this.inputList.filter((entry) => entry.name !== name);
  }

  removeGraphOutput(name: string): void {
    this.outputList = this.outputList.filter((entry) => entry.name !== name);
  }

  #withEntry(list: readonly ValueEntry[], entry: ValueEntry): readonly ValueEntry[] {
    const at = list.findIndex(({ name }) => name === entry.name);
    return at < 0 ? [...list, entry] : list.with(at, this.succeed(list[at], entry));
  }
}

export function nameTaken(name: string): HotpathError {
  return invalidInput(name, `The graph already has a value "${name}".`);
}
