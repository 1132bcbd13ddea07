/**
 * Every page, or part of a page, that is made from code. Written by generate-docs.ts and compared by test/docs.test.ts, so that
 * documentation and code cannot drift apart.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { modelConfigReference } from '../src/config/model-config.ts';
import { renderConfigReference } from '../src/config/reference.ts';
import { type ErrorCode, errorCodes } from '../src/core/errors.ts';
import { metricsReference } from '../src/observability/metric-definitions.ts';
import { statusOf } from '../src/protocols/http-errors.ts';
import { root } from '../test/architecture/files.ts';
import { renderLayerTable } from '../test/architecture/layers.ts';

function errorsReference(): string {
  const rows = (Object.keys(errorCodes) as ErrorCode[]).map(
    (code) => `| \`${code}\` | ${statusOf[code]} | ${errorCodes[code]} |`,
  );
  return `# Errors

Generated from \`src/core/errors.ts\` and \`src/protocols/http-errors.ts\` by \`npm run docs\`; do not edit.

An error body is \`{"error": {"code", "message", "details"?}}\`. The code is stable; the message is a sentence for people and may change.
\`details\` may name the \`field\`, what was \`expected\` and what was \`received\`. Answers with 503 and 429 carry \`Retry-After\` where trying again helps.

| Code | Status | Meaning |
|---|---|---|
${rows.join('\n')}
`;
}

function modelConfigPage(): string {
  return `# model.json

Generated from \`src/config/model-config.ts\` by \`npm run docs\`; do not edit.

\`models/<name>/model.json\` is optional, and so is every field of it. What is wrong in it makes this one model \`failed\`, with the reason.

${modelConfigReference().trimEnd()}
`;
}

const tableStart = '<!-- layer-table -->';
const tableEnd = '<!-- /layer-table -->';

/** ARCHITECTURE.md with the layer table between its two marks (the second is added when absent). */
function architecturePage(): string {
  const page = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8');
  const start = page.indexOf(tableStart);
  if (start === -1) throw new Error(`ARCHITECTURE.md has no ${tableStart}.`);
  const end = page.indexOf(tableEnd);
  const after = end === -1 ? page.slice(start + tableStart.length) : page.slice(end + tableEnd.length);
  return `${page.slice(0, start)}${tableStart}\n\n${renderLayerTable()}\n\n${tableEnd}${after}`;
}

/** Path -> contents as they should be. */
export function generatedPages(): ReadonlyMap<string, string> {
  return new Map([
    ['docs/reference/config.md', renderConfigReference()],
    ['docs/reference/errors.md', errorsReference()],
    ['docs/reference/metrics.md', metricsReference()],
    ['docs/reference/model-config.md', modelConfigPage()],
    ['ARCHITECTURE.md', architecturePage()],
  ]);
}

/** What is there now; undefined when the page is absent. */
export function currentPage(path: string): string | undefined {
  const file = join(root, path);
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}
