/** Where the third-party models lie: HOTPATH_FIXTURES, or shared/fixtures beside the checkout. Tests skip where it is absent. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.env.HOTPATH_FIXTURES ?? join(import.meta.dirname, '../../../../shared/fixtures');

/** For `{ skip }` of a test: false, or why it cannot run. */
export const withoutFixtures = existsSync(folder) ? false : `no fixtures at HOTPATH_FIXTURES or ../shared/fixtures`;

export function fixture(path: string): string {
  return join(folder, path);
}
