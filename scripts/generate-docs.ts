/** `npm run docs`: writes the pages that are made from code. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from '../test/architecture/files.ts';
import { currentPage, generatedPages } from './generated-pages.ts';

for (const [path, content] of generatedPages()) {
  if (currentPage(path) === content) continue;
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
  console.log(`wrote ${path}`);
}
