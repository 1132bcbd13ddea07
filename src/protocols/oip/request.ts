/**
 * An Open Inference Protocol request between the wire and the core: what REST (JSON, binary extension) and gRPC (typed and raw
 * contents) have in common. Each wire parses into this; `bind-inputs.ts` turns it into tensors once the model is known.
 * Types only. Source: kserve/open-inference-protocol, specification/protocol.
 */
import type { TensorData } from '../../core/tensor.ts';

/** Of a request, an input or an output. 64-bit integers beyond 2^53 arrive as bigint. */
export type OipParameters = Readonly<Record<string, boolean | number | bigint | string>>;

/** The elements of one input as they came. */
export type OipContents =
  /** Little-endian bytes; BYTES elements each with a uint32 length before them. Aliases the message: never written to. */
  | { readonly kind: 'raw'; readonly bytes: Uint8Array }
  /** From gRPC's typed contents, which hold 8- and 16-bit integers as 32-bit ones: `datatype` says what they must fit. */
  | { readonly kind: 'typed'; readonly values: TensorData | readonly Uint8Array[] }
  /** Parsed JSON: a flat or nested list, or a single element. */
  | { readonly kind: 'json'; readonly value: unknown };

export interface OipInput {
  readonly name: string;
  readonly datatype: string;
  /** As sent: not yet checked for negative or huge dimensions when it comes from gRPC (bigint-safe numbers). */
  readonly shape: readonly number[];
  readonly contents: OipContents;
  readonly parameters: OipParameters | undefined;
}

export interface OipOutputRequest {
  readonly name: string;
  readonly parameters: OipParameters | undefined;
}

export interface OipRequest {
  readonly model: string;
  /** Undefined: the server's choice. */
  readonly version: string | undefined;
  /** Echoed. */
  readonly id: string | undefined;
  readonly parameters: OipParameters | undefined;
  readonly inputs: readonly OipInput[];
  /** Undefined: all. */
  readonly outputs: readonly OipOutputRequest[] | undefined;
}
