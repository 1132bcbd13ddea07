/** Which encodings a request brings and takes: Content-Type, Accept and Accept-Encoding, read without allocation when plain. */

export type BodyFormat = 'json' | 'msgpack' | 'raw';
export type AnswerFormat = BodyFormat | 'ndjson';

export const contentTypes = {
  json: 'application/json; charset=utf-8',
  msgpack: 'application/msgpack',
  raw: 'application/octet-stream',
  ndjson: 'application/x-ndjson',
} as const satisfies Record<AnswerFormat, string>;

const formats: Record<string, AnswerFormat> = {
  'application/json': 'json',
  'application/msgpack': 'msgpack',
  'application/x-msgpack': 'msgpack',
  'application/vnd.msgpack': 'msgpack',
  'application/octet-stream': 'raw',
  'application/x-ndjson': 'ndjson',
  'application/ndjson': 'ndjson',
};

/** Undefined for types the server does not read. Parameters such as charset are ignored. */
export function bodyFormatOf(contentType: string | undefined): BodyFormat | undefined {
  if (contentType === undefined) return undefined;
  if (contentType === 'application/json') return 'json';
  const format = formats[mediaType(contentType)];
  return format === 'ndjson' ? undefined : format;
}

/** The best format the client accepts; what the server does not know is skipped, and nothing left means `fallback`. */
export function answerFormatOf(accept: string | undefined, fallback: AnswerFormat): AnswerFormat {
  if (accept === undefined || accept === '*/*') return fallback;
  if (accept === 'application/json') return 'json';
  let best: AnswerFormat | undefined;
  let bestQuality = 0;
  for (const part of accept.slice(0, 1000).split(',')) {
    const type = mediaType(part);
    const format = type === '*/*' || type === 'application/*' ? fallback : formats[type];
    const quality = qualityOf(part);
    if (format !== undefined && quality > bestQuality) {
      best = format;
      bestQuality = quality;
    }
  }
  return best ?? fallback;
}

export type Compression = 'br' | 'gzip';

/** The compression the client likes best; brotli on a tie. */
export function compressionOf(acceptEncoding: string | string[] | undefined): Compression | undefined {
  if (typeof acceptEncoding !== 'string') return undefined;
  let best: Compression | undefined;
  let bestQuality = 0;
  for (const part of acceptEncoding.slice(0, 1000).split(',')) {
    const name = mediaType(part);
    const quality = qualityOf(part);
    if (quality === 0 || (name !== 'br' && name !== 'gzip')) continue;
    if (quality > bestQuality || (quality === bestQuality && name === 'br')) {
      best = name;
      bestQuality = quality;
    }
  }
  return best;
}

function mediaType(header: string): string {
  const end = header.indexOf(';');
  return (end < 0 ? header : header.slice(0, end)).trim().toLowerCase();
}

function qualityOf(part: string): number {
  const match = /;\s*q=([01](?:\.\d{0,3})?)/i.exec(part);
  return match === null ? 1 : Number(match[1]);
}
