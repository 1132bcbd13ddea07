/**
 * How a model's signature becomes TypeScript types: what `hotpath types` writes, and what the clients make of it. A wrong model,
 * input, datatype or rank then fails to compile. Types only; nothing of this exists at run time.
 */
import type { Datatype } from '../core/tensor.ts';
import type { LooseInput } from './tensors.ts';

/** One tensor of a model: `number` stands for a variable dimension; `number[]` as a whole for an unknown rank. */
export interface TensorType {
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

export interface ModelType {
  readonly inputs: Readonly<Record<string, TensorType>>;
  readonly outputs: Readonly<Record<string, TensorType>>;
}

/** What an interface of models must look like; a plain Record would not take interfaces. */
export type ModelMap<Models> = { readonly [Name in keyof Models]: ModelType };

/** Of a client without generated types: any name, tensors of any datatype and rank. */
export type AnyModels = Readonly<Record<string, ModelType>>;

interface DataByDatatype {
  float32: Float32Array;
  float64: Float64Array;
  /** Bit patterns; a Float16Array's buffer has the same bytes. */
  float16: Uint16Array;
  int8: Int8Array;
  int16: Int16Array;
  int32: Int32Array;
  int64: BigInt64Array;
  uint8: Uint8Array;
  uint16: Uint16Array;
  uint32: Uint32Array;
  uint64: BigUint64Array;
  /** Bytes of 0 or 1. */
  bool: Uint8Array;
  string: readonly string[];
}

/** Elements of an input. */
export type InputData<D extends Datatype> = DataByDatatype[D];

/** Elements of an output, in memory that is the caller's. */
export type OutputData<D extends Datatype> = D extends 'string' ? string[] : DataByDatatype[D];

/** Datatypes that the class of the array does not tell; they must be named. */
type Unnamed = 'bool' | 'float16';

type DatatypeField<D extends Datatype> = D extends Unnamed ? { readonly datatype: D } : { readonly datatype?: D };

/** An input as calls give it: row-major `data` of `shape`. The datatype follows from the array, except for bool and float16. */
export type InputTensor<T extends TensorType = TensorType> = [Datatype] extends [T['datatype']]
  ? LooseInput
  : InputOf<T['datatype'], T['shape']>;

type InputOf<D extends Datatype, Shape> = D extends Datatype
  ? DatatypeField<D> & { readonly shape: Readonly<Shape>; readonly data: InputData<D> }
  : never;

/** An output as answers have it. */
export type OutputTensor<T extends TensorType = TensorType> = T extends TensorType
  ? OutputOf<T['datatype'], T['shape']>
  : never;

type OutputOf<D extends Datatype, Shape> = D extends Datatype
  ? { readonly datatype: D; readonly shape: Readonly<Shape>; readonly data: OutputData<D> }
  : never;

export type ModelName<Models> = keyof Models & string;

export type InputsOf<Models extends ModelMap<Models>, Name extends keyof Models> = {
  readonly [Input in keyof Models[Name]['inputs']]: InputTensor<Models[Name]['inputs'][Input]>;
};

export type OutputName<Models extends ModelMap<Models>, Name extends keyof Models> = keyof Models[Name]['outputs'] &
  string;

export type OutputsOf<Models extends ModelMap<Models>, Name extends keyof Models, Wanted extends string> = {
  readonly [Output in Wanted & OutputName<Models, Name>]: OutputTensor<Models[Name]['outputs'][Output]>;
};

/** A value, a list of values, or lists of lists, as JSON requests hold them. */
export type Nested<Value> = Value | readonly Nested<Value>[];

type ValueOf<D extends Datatype> = D extends 'string'
  ? string
  : D extends 'bool'
    ? boolean | 0 | 1
    : D extends 'int64' | 'uint64'
      ? number | bigint
      : number;

type IsUnion<T, All = T> = T extends unknown ? ([All] extends [T] ? false : true) : never;

/** One row for `predict`: a list for a model with one input, an object by input name for one with several. */
export type Features<Model extends ModelType> =
  // A model map without names knows nothing: anything that can be a row.
  string extends keyof Model['inputs']
    ? AnyFeatures
    : IsUnion<keyof Model['inputs']> extends true
      ? { readonly [Input in keyof Model['inputs']]: Nested<ValueOf<Model['inputs'][Input]['datatype']>> }
      : Nested<ValueOf<Model['inputs'][keyof Model['inputs']]['datatype']>>;

export type FeatureValue = number | bigint | string | boolean | null;

export type AnyFeatures = Nested<FeatureValue> | { readonly [input: string]: Nested<FeatureValue> };
