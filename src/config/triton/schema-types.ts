/**
 * The words in which a protobuf schema is written down here: leaf types, enums, messages, repeated fields and maps, and the
 * TypeScript type that follows from them. Used by model-config-schema.ts (the table), decode-message.ts and render-json.ts.
 */

export type Leaf = 'string' | 'bool' | 'int32' | 'int64' | 'uint32' | 'uint64' | 'float' | 'double';

/** Names by number. */
export interface EnumType<Name extends string = string> {
  readonly kind: 'enum';
  readonly names: readonly Name[];
}

export interface MessageType<F extends Fields = Fields> {
  readonly kind: 'message';
  /** In the order of the .proto file, which is the order of the JSON form. */
  readonly fields: F;
  /** Groups of fields of which at most one may be set. */
  readonly oneofs: readonly (readonly string[])[];
}

export type FieldType = Leaf | EnumType | MessageType;

export interface Field<T extends FieldType = FieldType, C extends 'one' | 'list' | 'map' = 'one' | 'list' | 'map'> {
  readonly type: T;
  readonly count: C;
  /** The JSON form writes it as a string, as protobuf does with 64-bit integers that Triton does not turn back into numbers. */
  readonly textInJson?: boolean;
  /** Keys of a map are whole numbers; otherwise any text. */
  readonly numericKeys?: boolean;
}

export interface Fields {
  readonly [name: string]: Field;
}

type ValueOf<T> = T extends 'string'
  ? string
  : T extends 'bool'
    ? boolean
    : T extends Leaf
      ? number
      : T extends EnumType<infer Name>
        ? Name
        : T extends MessageType<infer F>
          ? Decoded<F>
          : never;

type FieldValue<D> =
  D extends Field<infer T, infer C>
    ? C extends 'list'
      ? readonly ValueOf<T>[]
      : C extends 'map'
        ? Readonly<Record<string, ValueOf<T>>>
        : ValueOf<T>
    : never;

/** A message as a plain object: only what was written is there, integers as numbers. */
export type Decoded<F> = { readonly [Name in keyof F]?: FieldValue<F[Name]> };

export type DecodedMessage<M> = M extends MessageType<infer F> ? Decoded<F> : never;

export function one<const T extends FieldType>(type: T): Field<T, 'one'> {
  return { type, count: 'one' };
}

export function list<const T extends FieldType>(type: T): Field<T, 'list'> {
  return { type, count: 'list' };
}

export function map<const T extends FieldType>(type: T): Field<T, 'map'> {
  return { type, count: 'map' };
}

export function enumOf<const Name extends string>(...names: readonly Name[]): EnumType<Name> {
  return { kind: 'enum', names };
}

export function message<F extends Fields>(fields: F, ...oneofs: readonly (readonly string[])[]): MessageType<F> {
  return { kind: 'message', fields, oneofs };
}
