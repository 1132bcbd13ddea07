/**
 * The headers of one request, and what HTTP/2 demands of them (RFC 9113, section 8). Filled by header-reader.ts field by field; then
 * shared by all requests that come with the same block, so nobody may change it.
 */
import { type Field, fieldBytes } from './hpack-table.ts';
import { maxHeaderListBytes } from './settings.ts';

const validName = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** No control characters that mean something to others, no space around it. */
const invalidValue = /[\0\r\n]|^[ \t]|[ \t]$/;

/** Belong to HTTP/1.1. */
const forbidden = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);

const pseudoNames = new Set([':method', ':path', ':scheme', ':authority']);

export class RequestHead {
  readonly #fields = new Map<string, string>();
  #bytes = 0;
  #hasRegular = false;
  #isBroken = false;
  #pseudoCount = 0;

  /** Its request is answered with 431. */
  get isTooLarge(): boolean {
    return this.#bytes > maxHeaderListBytes;
  }

  get(name: string): string | undefined {
    return this.#fields.get(name);
  }

  /** -1: not said. */
  get contentLength(): number {
    const text = this.#fields.get('content-length');
    return text === undefined ? -1 : Number(text);
  }

  /** What makes a request: false for what must be refused as malformed. */
  get isRequest(): boolean {
    if (this.#isBroken) return false;
    if (this.#fields.get(':method') === 'CONNECT') return true;
    const path = this.#fields.get(':path');
    const isWhole = this.#fields.has(':method') && this.#fields.has(':scheme') && path !== undefined;
    return isWhole && (path.startsWith('/') || path === '*');
  }

  /** 0, or the HTTP status of what is no gRPC at all: gRPC's own would not be understood. */
  get refusalStatus(): number {
    if (this.isTooLarge) return 431;
    if (this.#fields.get(':method') !== 'POST') return 405;
    const type = this.#fields.get('content-type');
    const isGrpc =
      type === 'application/grpc' || type === 'application/grpc+proto' || type?.startsWith('application/grpc;');
    return isGrpc ? 0 : 415;
  }

  /** The fields after a request's body. */
  get isTrailers(): boolean {
    return !this.#isBroken && this.#pseudoCount === 0;
  }

  add(field: Field): void {
    this.#bytes += fieldBytes(field);
    // Read on, for the table's sake, but kept no more.
    if (this.isTooLarge) return;
    const { name, value } = field;
    if (name.startsWith(':')) this.#addPseudo(name, value);
    else this.#addRegular(name, value);
  }

  #addPseudo(name: string, value: string): void {
    this.#pseudoCount++;
    if (this.#hasRegular || !pseudoNames.has(name) || this.#fields.has(name) || invalidValue.test(value)) {
      this.#isBroken = true;
    } else this.#fields.set(name, value);
  }

  #addRegular(name: string, value: string): void {
    this.#hasRegular = true;
    if (!validName.test(name) || invalidValue.test(value) || forbidden.has(name)) this.#isBroken = true;
    if (name === 'te' && value !== 'trailers') this.#isBroken = true;
    if (name === 'content-length' && (!/^\d{1,15}$/.test(value) || this.#fields.has(name))) this.#isBroken = true;
    const before = this.#fields.get(name);
    const separator = name === 'cookie' ? '; ' : ',';
    this.#fields.set(name, before === undefined ? value : `${before}${separator}${value}`);
  }
}
