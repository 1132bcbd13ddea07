/** The generated descriptors against the .proto files, read by another implementation. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { loadSync } from '@grpc/proto-loader';
import { protoRegistry } from './messages.ts';

const folder = join(import.meta.dirname, '../../../proto');
const files = readdirSync(folder).filter((name) => name.endsWith('.proto'));

interface LoadedType {
  readonly name?: string;
  readonly field?: readonly { name: string; number: number; label: string }[];
  readonly value?: readonly { name: string; number: number }[];
  readonly options?: { readonly mapEntry?: boolean } | null;
  readonly nestedType?: readonly LoadedType[];
  readonly enumType?: readonly LoadedType[];
}

/** `inference.ServerLiveResponse.live = 1 false`, for every field of the messages of proto/; true: repeated. */
function fieldsOfFiles(): string[] {
  const lines: string[] = [];
  const add = (name: string, type: LoadedType): void => {
    for (const one of type.field ?? []) lines.push(`${name}.${one.name} = ${one.number} ${/REPEATED/.test(one.label)}`);
    for (const one of type.value ?? []) lines.push(`${name}.${one.name} = ${one.number}`);
    for (const one of [...(type.nestedType ?? []), ...(type.enumType ?? [])]) {
      // Of maps; in the other implementation they are fields.
      if (one.options?.mapEntry !== true) add(`${name}.${one.name}`, one);
    }
  };
  for (const [name, definition] of Object.entries(loadSync(files, { includeDirs: [folder], keepCase: true }))) {
    if ('type' in definition) add(name, definition.type as LoadedType);
  }
  // Nested types are listed on their own as well where others use them.
  return [...new Set(lines)].sort();
}

function fieldsOfDescriptors(): string[] {
  const lines: string[] = [];
  for (const type of protoRegistry()) {
    if (type.kind === 'message') {
      for (const field of type.fields) {
        const repeated = field.fieldKind === 'list' || field.fieldKind === 'map';
        lines.push(`${type.typeName}.${field.name} = ${field.number} ${repeated}`);
      }
    } else if (type.kind === 'enum') {
      for (const value of type.values) lines.push(`${type.typeName}.${value.name} = ${value.number}`);
    }
  }
  return lines.sort();
}

describe('descriptor-set.ts', () => {
  it('is what the files in proto/ say; if not, run scripts/generate-protos.ts', () => {
    const expected = fieldsOfFiles();
    assert.ok(expected.length > 200, `only ${expected.length} fields found`);
    assert.deepEqual(fieldsOfDescriptors(), expected);
  });
});
