import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HotpathError } from '../../core/errors.ts';
import { decodeJson } from './decode-json.ts';
import { decodeDocument } from './decode-message.ts';
import { modelConfigSchema } from './model-config-schema.ts';
import type { Field, FieldType, MessageType } from './schema-types.ts';
import { type PlainField, type PlainValue, TextPrinter } from './testing/print-text.ts';
import { parseTextFormat } from './text-format.ts';
import { readTritonConfig, readTritonJson } from './to-model-config.ts';

/** The same configuration twice: as fields of the text format and as JSON. */
interface Twin<Text> {
  readonly text: Text;
  readonly json: unknown;
}

const scale = { int32: 31n, int64: 53n, uint32: 32n, uint64: 53n } as const;

function leafArbitrary(type: Exclude<FieldType, MessageType>): fc.Arbitrary<Twin<PlainValue>> {
  if (typeof type === 'object') {
    return fc.tuple(fc.nat(type.names.length - 1), fc.boolean()).map(([index, byNumber]) => {
      const name = type.names[index]!;
      return { text: { kind: 'name', value: name }, json: byNumber ? index : name };
    });
  }
  if (type === 'string') {
    return fc
      .string({ unit: 'grapheme', maxLength: 6 })
      .map((value) => ({ text: { kind: 'string', value }, json: value }));
  }
  if (type === 'bool')
    return fc.boolean().map((value) => ({ text: { kind: 'name', value: String(value) }, json: value }));
  if (type === 'float' || type === 'double') {
    return fc
      .double({ noNaN: true, noDefaultInfinity: true })
      .filter((value) => !Number.isInteger(value))
      .chain((value) =>
        fc.constantFrom<unknown>(value, String(value)).map((json) => ({ text: { kind: 'float', value }, json })),
      );
  }
  const max = 2n ** scale[type] - 1n;
  return fc
    .oneof(fc.bigInt({ min: type.startsWith('u') ? 0n : -max, max }), fc.constantFrom(0n, 1n, 4n))
    .chain((value) =>
      fc
        .constantFrom<unknown>(Number(value), String(value))
        .map((json) => ({ text: { kind: 'integer', value }, json })),
    );
}

function valueArbitrary(type: FieldType): fc.Arbitrary<Twin<PlainValue>> {
  if (typeof type === 'string' || type.kind === 'enum') return leafArbitrary(type);
  return messageArbitrary(type).map(({ text, json }) => ({ text: { kind: 'message', fields: text }, json }));
}

const camel = (name: string) => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

function fieldArbitrary(name: string, { type, count, numericKeys }: Field): fc.Arbitrary<Twin<PlainField>> {
  if (count === 'one') {
    return valueArbitrary(type).map(({ text, json }) => ({ text: { name, list: false, values: [text] }, json }));
  }
  if (count === 'list') {
    return fc.array(valueArbitrary(type), { minLength: 1, maxLength: 2 }).map((items) => ({
      text: { name, list: true, values: items.map(({ text }) => text) },
      json: items.map(({ json }) => json),
    }));
  }
  const key = numericKeys === true ? fc.nat(9).map(String) : fc.stringMatching(/^[a-z_]{0,5}$/);
  return fc.dictionary(key, valueArbitrary(type), { minKeys: 1, maxKeys: 2 }).map((entries) => ({
    text: { name, list: true, values: Object.entries(entries).map(([key, { text }]) => entry(key, text, numericKeys)) },
    json: Object.fromEntries(Object.entries(entries).map(([key, { json }]) => [key, json])),
  }));
}

function entry(key: string, value: PlainValue, numeric: boolean | undefined): PlainValue {
  const plainKey: PlainValue =
    numeric === true ? { kind: 'integer', value: BigInt(key) } : { kind: 'string', value: key };
  const fields = [
    { name: 'key', list: false, values: [plainKey] },
    { name: 'value', list: false, values: [value] },
  ];
  return { kind: 'message', fields };
}

function messageArbitrary(type: MessageType): fc.Arbitrary<Twin<PlainField[]>> {
  const all = Object.keys(type.fields);
  const names = fc.subarray(all, { maxLength: Math.min(all.length, 4) });
  const allowed = names.map((chosen) =>
    chosen.filter((name) => {
      const rivals = type.oneofs.find((group) => group.includes(name));
      return rivals === undefined || chosen.find((other) => rivals.includes(other)) === name;
    }),
  );
  return allowed.chain((chosen) => {
    const fields = chosen.map((name) =>
      fc.tuple(fieldArbitrary(name, type.fields[name]!), fc.constantFrom(name, camel(name))),
    );
    return fc.tuple(...fields).map((made) => ({
      text: made.map(([{ text }]) => text),
      json: Object.fromEntries(made.map(([{ json }, name]) => [name, json])),
    }));
  });
}

const style = fc.array(fc.nat(60), { minLength: 1, maxLength: 20 });
const config = messageArbitrary(modelConfigSchema);

/** Without what random values nearly always make contradict itself. */
const {
  name: _,
  platform: __,
  backend: ___,
  ensemble_scheduling: ____,
  input: _____,
  output: ______,
  ...calm
} = modelConfigSchema.fields;
const likely = messageArbitrary({ ...modelConfigSchema, fields: calm });

function outcome(read: () => object): unknown {
  try {
    return read();
  } catch (error) {
    assert.ok(error instanceof HotpathError, String(error));
    const { code, message } = error;
    return { code, message: message.replace(/^parameters\.config/, 'config.pbtxt') };
  }
}

function refusal(json: unknown): string {
  try {
    readTritonJson(json, 'm');
  } catch (error) {
    assert.ok(error instanceof HotpathError && error.code === 'INVALID_INPUT', String(error));
    return error.message.replace(/^parameters\.config: /, '');
  }
  assert.fail(`no error for ${JSON.stringify(json)}`);
}

describe('the JSON form of a configuration, read', () => {
  it('says the same as the text', () => {
    fc.assert(
      fc.property(config, style, ({ text, json }, choices) => {
        const printed = new TextPrinter(choices).print(text);
        assert.deepEqual(
          decodeJson(JSON.parse(JSON.stringify(json)), modelConfigSchema),
          decodeDocument(parseTextFormat(printed), modelConfigSchema),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('means the same as the text, or is refused in the same words', () => {
    fc.assert(
      fc.property(fc.oneof(config, likely), style, ({ text, json }, choices) => {
        const printed = new TextPrinter(choices).print(text);
        assert.deepEqual(
          outcome(() => readTritonJson(JSON.parse(JSON.stringify(json)), 'm')),
          outcome(() => readTritonConfig(printed, 'm')),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('counts null, empty lists and empty maps as absent', () => {
    const json = {
      name: null,
      input: [],
      parameters: {},
      maxBatchSize: 4,
      dynamic_batching: { preferredBatchSize: [] },
    };
    assert.deepEqual(decodeJson(json, modelConfigSchema), { max_batch_size: 4, dynamic_batching: {} });
  });

  it('takes numbers as strings, up to the largest', () => {
    const json = { dynamicBatching: { maxQueueDelayMicroseconds: '18446744073709551615' }, maxBatchSize: '8' };
    const decoded = { dynamic_batching: { max_queue_delay_microseconds: 2 ** 64 }, max_batch_size: 8 };
    assert.deepEqual(decodeJson(json, modelConfigSchema), decoded);
  });

  it('is refused by path, saying what was expected', () => {
    for (const [json, message] of [
      [{ max_batch_sise: 8 }, 'there is no field "max_batch_sise". Did you mean "max_batch_size"?'],
      [{ input: [{ nam: 'x' }] }, 'there is no field "nam" in input[0]. Did you mean "name"?'],
      [{ constructor: 1 }, 'there is no field "constructor".'],
      [JSON.parse('{"__proto__": 1}'), 'there is no field "__proto__".'],
      [{ max_batch_size: 'eight' }, 'max_batch_size must be a whole number within 32 bits, not the string "eight".'],
      [{ max_batch_size: 2.5 }, 'max_batch_size must be a whole number within 32 bits, not 2.5.'],
      [{ max_batch_size: 2 ** 31 }, 'max_batch_size must be a whole number within 32 bits, not 2147483648.'],
      [{ max_batch_size: '1e3' }, 'max_batch_size must be a whole number within 32 bits, not the string "1e3".'],
      [{ max_batch_size: true }, 'max_batch_size must be a whole number within 32 bits, not true.'],
      [{ max_batch_size: 1, maxBatchSize: 1 }, 'max_batch_size is given twice, under both of its names.'],
      [{ name: 5 }, 'name must be a string, not 5.'],
      [{ input: { name: 'x' } }, 'input must be a list, not an object.'],
      [{ input: [null] }, 'input[0] must be an object, not null.'],
      [
        { input: [{ dims: [1, '2', 'x'] }] },
        'input[0].dims[2] must be a whole number within 2^53, not the string "x".',
      ],
      [{ input: [{ optional: 1 }] }, 'input[0].optional must be true or false, not 1.'],
      [{ parameters: [] }, 'parameters must be an object of keys and values, not a list.'],
      [{ parameters: { a: { stringValue: 5 } } }, 'parameters["a"].string_value must be a string, not 5.'],
      [
        { dynamicBatching: { priorityQueuePolicy: { high: {} } } },
        'dynamic_batching.priority_queue_policy["high"]: the key must be a whole number from 0, within 64 bits.',
      ],
      [
        { versionPolicy: { all: {}, latest: {} } },
        'version_policy.latest cannot stand beside all; only one of latest, all, specific may be given.',
      ],
      [{ name: 'other' }, 'name is "other", but the folder is called "m"; leave it out or make them equal.'],
      [[], 'the configuration must be an object, not a list.'],
    ] as const) {
      assert.equal(refusal(json), message);
    }
    assert.match(
      refusal({ input: [{ data_type: 'TYPE_FP23' }] }),
      /not the string "TYPE_FP23"\. Did you mean TYPE_FP32\?$/,
    );
    assert.throws(() => readTritonJson({ input: [{ dims: ['x'] }] }, 'm'), {
      details: { field: 'parameters.config.input[0].dims[0]' },
    });
  });
});
