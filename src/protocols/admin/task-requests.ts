/** The body of a request for a background task: what may stand there. Called by task-routes.ts. Every complaint names its field. */
import { readFields, readName, readNumber, readVersion, wrong } from './request-fields.ts';

/** Everything is optional, and means what the flag of `hotpath optimize` means. */
export interface OptimizeRequest {
  /** A version or a label. @default the newest */
  readonly version?: string | undefined;
  /** In the model's folder; with `image` a folder of pictures. */
  readonly file?: string | undefined;
  /** Of the prediction log. */
  readonly hours?: number | undefined;
  /** Most inputs of it. */
  readonly top?: number | undefined;
  /** Name of an array, a column or a field, or a .npy file in the model's folder. */
  readonly labels?: string | undefined;
  /** How the model takes pictures, such as `imagenet`. */
  readonly image?: string | undefined;
  /** Width x height, for models that take any. */
  readonly imageSize?: string | undefined;
  /** A share. */
  readonly maxDrop?: number | undefined;
  readonly target?: (typeof targets)[number] | undefined;
  readonly task?: (typeof tasks)[number] | undefined;
  readonly passes?: readonly string[] | undefined;
  readonly seconds?: number | undefined;
  /** Whether the chosen variant becomes the next version of the model. @default true */
  readonly register?: boolean | undefined;
}

const names = [
  'version',
  'file',
  'hours',
  'top',
  'labels',
  'image',
  'imageSize',
  'maxDrop',
  'target',
  'task',
  'passes',
  'seconds',
  'register',
] as const;
const targets = ['latency', 'throughput', 'size', 'memory'] as const;
const tasks = ['classification', 'detection', 'regression'] as const;
const maxHours = 8760;
/** They are read at once, each up to the size the log keeps. */
const maxTop = 10_000;
const maxPasses = 100;
/** Beyond that the clock is finer than anybody needs. */
const minSeconds = 0.01;
const maxSeconds = 3600;

/** No body at all is none of the fields. What was not given is not there. @throws INVALID_INPUT. */
export function readOptimizeRequest(body: unknown): OptimizeRequest {
  const given = readFields(body ?? {}, names);
  const { file, hours, top, labels, image, imageSize, maxDrop, target, task, passes, seconds, register } = given;
  if (file !== undefined && hours !== undefined) throw wrong('hours', 'either file or hours, not both', hours);
  if (top !== undefined && hours === undefined) throw wrong('top', 'hours beside it', top);
  if (labels !== undefined && file === undefined) throw wrong('labels', 'a file beside it', labels);
  if (image !== undefined && file === undefined) throw wrong('image', 'a file beside it', image);
  if (imageSize !== undefined && image === undefined) throw wrong('imageSize', 'image beside it', imageSize);
  const request: OptimizeRequest = {
    version: readVersion(given.version),
    file: optional(file, (value) => readName('file', value, 'a file in the model’s folder')),
    hours: optional(hours, (value) => readNumber('hours', value, 0.01, maxHours)),
    top: optional(top, readTop),
    labels: optional(labels, (value) => readName('labels', value, 'the name of an array, a column or a field')),
    image: optional(image, (value) => readName('image', value, 'how the model takes pictures')),
    imageSize: optional(imageSize, (value) => readName('imageSize', value, 'width x height')),
    maxDrop: optional(maxDrop, (value) => readNumber('maxDrop', value, 0, 1)),
    target: optional(target, (value) => readOneOf('target', value, targets)),
    task: optional(task, (value) => readOneOf('task', value, tasks)),
    passes: optional(passes, readPasses),
    seconds: optional(seconds, (value) => readNumber('seconds', value, minSeconds, maxSeconds)),
    register: optional(register, readFlag),
  };
  return Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
}

function optional<T>(value: unknown, read: (value: unknown) => T): T | undefined {
  return value === undefined ? undefined : read(value);
}

function readTop(value: unknown): number {
  if (Number.isInteger(value)) return readNumber('top', value, 1, maxTop);
  throw wrong('top', `an integer from 1 to ${maxTop}`, value);
}

function readOneOf<T extends string>(field: string, value: unknown, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === value);
  if (found === undefined) throw wrong(field, `one of ${allowed.join(', ')}`, value);
  return found;
}

/** Which names there are is known where they are used. */
function readPasses(value: unknown): readonly string[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > maxPasses) {
    throw wrong('passes', `a list of 1 to ${maxPasses} names`, value);
  }
  return value.map((name, index) => readName(`passes[${index}]`, name, 'the name of a variant'));
}

function readFlag(value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw wrong('register', 'true or false', value);
}
