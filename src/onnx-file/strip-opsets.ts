/**
 * Takes operator sets out of a model that no node uses: ONNX Runtime adds all it knows when it saves one, and other tools then
 * refuse the file. Called by the offline optimization. All else stays byte for byte.
 */
import type { Field } from './fields.ts';
import { concatBytes, contentOf, scanFields, textOf, walkFields } from './fields.ts';
import { fields } from './schema.ts';

/** @param origin the model before: what it imported is kept, used or not */
export function stripUnusedOpsets(model: Uint8Array, origin: Uint8Array): Uint8Array<ArrayBuffer> {
  const found = scanFields(plain(model));
  const used = new Set(['', ...scanFields(plain(origin)).filter(isOpset).map(domainOf)]);
  for (const field of found) {
    if (field.number === fields.model.graph) addDomains(contentOf(field), used, 0);
    // Functions bring their own opsets and may use any of them.
    if (field.number === fields.model.functions) return concatBytes([model]);
  }
  return concatBytes(found.filter((field) => !isOpset(field) || used.has(domainOf(field))).map(({ bytes }) => bytes));
}

const plain = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
const isOpset = ({ number }: Field): boolean => number === fields.model.opsetImport;

function domainOf(field: Field): string {
  const domain = scanFields(contentOf(field)).findLast(({ number }) => number === fields.opset.domain);
  const text = domain === undefined ? '' : textOf(domain);
  return text === 'ai.onnx' ? '' : text;
}

/** The runtime wrote the file, so its depth is one that the runtime has met. */
function addDomains(graph: Uint8Array, used: Set<string>, depth: number): void {
  if (depth > 100) return;
  for (const field of scanFields(graph)) {
    if (field.number !== fields.graph.node) continue;
    for (const part of scanFields(contentOf(field))) {
      if (part.number === fields.node.domain) used.add(textOf(part));
      else if (part.number === fields.node.attribute) {
        const attribute = contentOf(part);
        walkFields(attribute, (number, wireType, _, start, end) => {
          const isGraph = number === fields.attribute.graph || number === fields.attribute.graphs;
          if (isGraph && wireType === 2) addDomains(attribute.subarray(start, end), used, depth + 1);
        });
      }
    }
  }
}
