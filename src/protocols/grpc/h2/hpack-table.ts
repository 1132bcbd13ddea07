/** HPACK's static table (RFC 7541, appendix A) and the dynamic one of a connection's requests. Used by hpack-decoder.ts. */

export interface Field {
  readonly name: string;
  readonly value: string;
}

/** `name` or `name=value`, in the order of their numbers from 1. */
const staticFields: readonly Field[] = `
:authority :method=GET :method=POST :path=/ :path=/index.html :scheme=http :scheme=https :status=200 :status=204 :status=206
:status=304 :status=400 :status=404 :status=500 accept-charset accept-encoding=gzip,_deflate accept-language accept-ranges accept
access-control-allow-origin age allow authorization cache-control content-disposition content-encoding content-language
content-length content-location content-range content-type cookie date etag expect expires from host if-match if-modified-since
if-none-match if-range if-unmodified-since last-modified link location max-forwards proxy-authenticate proxy-authorization range
referer refresh retry-after server set-cookie strict-transport-security transfer-encoding user-agent vary via www-authenticate`
  .trim()
  .split(/\s+/)
  .map((line) => {
    const [name, value = ''] = line.split('=') as [string, string?];
    return { name, value: value.replace('_', ' ') };
  });

/** What RFC 7541 adds to the bytes of a field. */
export const fieldOverheadBytes = 32;

export function fieldBytes({ name, value }: Field): number {
  return name.length + value.length + fieldOverheadBytes;
}

export class HpackTable {
  readonly #limitBytes: number;
  #maxBytes: number;
  #bytes = 0;
  /** Newest last; those before `#first` are evicted. */
  #fields: Field[] = [];
  #first = 0;
  /** Changes with the table: a header block means the same as long as it stays. */
  version = 0;

  /** `limitBytes`: what we allow the client. */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
    this.#maxBytes = limitBytes;
  }

  /** Undefined: there is none of this number. */
  get(index: number): Field | undefined {
    if (index <= staticFields.length) return staticFields[index - 1];
    const at = this.#fields.length - (index - staticFields.length);
    return at < this.#first ? undefined : this.#fields[at];
  }

  add(field: Field): void {
    this.version++;
    this.#fields.push(field);
    this.#bytes += fieldBytes(field);
    this.#evict();
  }

  /** False when it is more than we allow. */
  resize(maxBytes: number): boolean {
    if (maxBytes > this.#limitBytes) return false;
    this.version++;
    this.#maxBytes = maxBytes;
    this.#evict();
    return true;
  }

  #evict(): void {
    while (this.#bytes > this.#maxBytes) this.#bytes -= fieldBytes(this.#fields[this.#first++]!);
    // Moved together now and then, not for every field.
    if (this.#first < 64 || this.#first * 2 < this.#fields.length) return;
    this.#fields = this.#fields.slice(this.#first);
    this.#first = 0;
  }
}
