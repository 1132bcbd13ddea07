/**
 * The parts of OpenAPI 3.1 that our document uses, and the helper that ties a schema to the TypeScript type it describes: a
 * field added to the type fails the build until it is documented. Used by the openapi-*.ts files only.
 */

export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly (string | number)[];
  readonly default?: unknown;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly [extension: `x-${string}`]: unknown;
}

export interface Example {
  readonly summary: string;
  readonly value: unknown;
}

export interface Media {
  readonly schema?: Schema;
  readonly examples?: Readonly<Record<string, Example>>;
}

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'header';
  readonly description: string;
  readonly required?: boolean;
  readonly schema: Schema;
  readonly example?: unknown;
}

export interface Header {
  readonly description: string;
  readonly schema: Schema;
  readonly example?: unknown;
}

/** A type and no interface, so that it counts as a Schema too. */
export type Ref = { readonly $ref: string };

export interface Response {
  readonly description: string;
  readonly headers?: Readonly<Record<string, Ref>>;
  readonly content?: Readonly<Record<string, Media>>;
}

export interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description: string;
  readonly parameters?: readonly Ref[];
  readonly requestBody?: { readonly required: true; readonly content: Readonly<Record<string, Media>> };
  readonly responses: Readonly<Record<string, Response | Ref>>;
  /** Overrides that of the document; empty: nothing is needed. */
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[];
}

export type PathItem = { readonly [method in 'get' | 'post']?: Operation };

type OptionalKeys<T> = { [K in keyof T]-?: object extends Pick<T, K> ? K : never }[keyof T];

/** An object schema with a property for every field of `T`; `optional` names those that may be absent. */
export function objectOf<T>(
  description: string,
  properties: { readonly [K in keyof Required<T>]: Schema },
  optional: readonly (OptionalKeys<T> & string)[] = [],
): Schema {
  const required = Object.keys(properties).filter((name) => !(optional as readonly string[]).includes(name));
  return { type: 'object', description, properties, required };
}

export function schemaRef(name: string): Ref {
  return { $ref: `#/components/schemas/${name}` };
}

export function number(description: string): Schema {
  return { type: 'number', description };
}

export function integer(description: string): Schema {
  return { type: 'integer', description };
}

export function text(description: string): Schema {
  return { type: 'string', description };
}

export function flag(description: string): Schema {
  return { type: 'boolean', description };
}

export function listOf(items: Schema, description: string): Schema {
  return { type: 'array', items, description };
}

export function oneOf(values: readonly (string | number)[], description: string): Schema {
  return { type: typeof values[0] === 'number' ? 'integer' : 'string', enum: values, description };
}
