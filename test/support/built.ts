/** The program as it is installed, for tests that start processes of it. Vitest builds it before such tests (`setup`). */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { bundle } from '../../scripts/bundle.ts';

/** Tells the workers where. */
const VARIABLE = 'CAPSULE_TEST_BUILT';
const IN = join(import.meta.dirname, '../../node_modules');

/** Once for all projects that ask. */
export async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env[VARIABLE] !== undefined) return undefined;
  // Two runs at once do not meet, and dependencies are found above.
  const folder = await mkdtemp(join(IN, '.built-'));
  await bundle(folder, ['test/support/run-node']);
  process.env[VARIABLE] = folder;
  return () => rm(folder, { recursive: true, force: true });
}

/** Path of a file there. */
export function built(file: string): string {
  const folder = process.env[VARIABLE];
  if (folder === undefined) throw new Error('Only the projects mesh and cli have the built program');
  return join(folder, file);
}
