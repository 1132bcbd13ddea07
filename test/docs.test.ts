/** Documentation that is made from code is fresh, and what the pages point at is there. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { currentPage, generatedPages } from '../scripts/generated-pages.ts';
import { settingByEnvName, settingByFlagName } from '../src/config/env-name.ts';
import { listMarkdown, root } from './architecture/files.ts';

interface Page {
  readonly path: string;
  readonly text: string;
}

const pages: readonly Page[] = listMarkdown().map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));

/** As GitHub makes them: lower case, punctuation gone, blanks to dashes. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+\s+(.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/\s/g, '-'),
  );
}

function withoutCode(text: string): string {
  return text.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '');
}

/** Why a link leads nowhere, or undefined. Links to other sites are not followed. */
function brokenLink(page: Page, target: string): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return undefined;
  const [file, anchor] = target.split('#') as [string, string?];
  const path = file === '' ? page.path : join(dirname(page.path), file);
  if (!existsSync(join(root, path))) return `${page.path}: there is no ${target}`;
  if (anchor === undefined || !path.endsWith('.md')) return undefined;
  const anchors = anchorsOf(readFileSync(join(root, path), 'utf8'));
  return anchors.includes(anchor) ? undefined : `${page.path}: there is no heading for ${target}`;
}

describe('generated pages', () => {
  for (const [path, content] of generatedPages()) {
    it(`${path} is as npm run docs would write it`, () => assert.equal(currentPage(path), content));
  }
});

describe('every page', () => {
  it('exists', () => {
    const paths = pages.map(({ path }) => path);
    for (const needed of [
      'README.md',
      'ARCHITECTURE.md',
      'CONTRIBUTING.md',
      'CHANGELOG.md',
      'docs/decisions/README.md',
    ]) {
      assert.ok(paths.includes(needed), `${needed} is absent`);
    }
  });

  it('links only to files and headings that are there', () => {
    const broken = pages.flatMap((page) =>
      [...withoutCode(page.text).matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g)].map(([, target]) =>
        brokenLink(page, target!),
      ),
    );
    assert.deepEqual(
      broken.filter((each) => each !== undefined),
      [],
    );
  });

  it('names only npm scripts that exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const unknown = pages.flatMap(({ path, text }) =>
      [...text.matchAll(/\bnpm run ([a-z][a-z0-9:-]*)/g)]
        .filter(([, name]) => !Object.hasOwn(scripts, name!))
        .map(([all]) => `${path}: ${all}`),
    );
    assert.deepEqual(unknown, []);
  });

  it('names only settings that exist', () => {
    const others = /^HOTPATH_(TEST_[A-Z_]*|CONFIG|FIXTURES|FUZZ_RUNS)$/;
    const unknown = pages.flatMap(({ path, text }) => [
      ...[...text.matchAll(/\bHOTPATH_[A-Z0-9_]*[A-Z0-9]\b/g)]
        .filter(([name]) => !settingByEnvName.has(name) && !others.test(name))
        .map(([name]) => `${path}: ${name}`),
      ...[...text.matchAll(/hotpath serve([^\n`|]*)/g)].flatMap(([, flags]) =>
        [...flags!.matchAll(/--(?:no-)?([a-z0-9-]+)/g)]
          .filter(([, flag]) => !settingByFlagName.has(flag!) && !['config', 'help'].includes(flag!))
          .map(([flag]) => `${path}: ${flag}`),
      ),
    ]);
    assert.deepEqual(unknown, []);
  });

  it('records decisions with consecutive numbers, each listed in the index', () => {
    const decisions = pages.map(({ path }) => path).filter((path) => /^docs\/decisions\/\d{3}-/.test(path));
    assert.deepEqual(
      decisions.map((path) => Number(path.split('/')[2]!.slice(0, 3))),
      decisions.map((_, index) => index),
    );
    const index = readFileSync(join(root, 'docs/decisions/README.md'), 'utf8');
    assert.deepEqual(
      decisions.filter((path) => !index.includes(`(${path.split('/')[2]})`)),
      [],
    );
  });
});
