/**
 * Puts together what a container needs beside Node.js: the built program without its source maps, and the one dependency
 * that the bundle leaves outside, with the compiled add-on of this platform alone. Usage: `node scripts/image/files.ts <folder>`.
 */
import { existsSync } from 'node:fs';
import { cp, readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { STAYS_OUTSIDE } from '../bundle.ts';

const root = join(import.meta.dirname, '../..');
/** Of a package: what only its author, or a compiler, reads. */
const NOT_RUN = /(^deps|^binding\.(cc|gyp)|\.(md|map|d\.ts|d\.ts\.map))$/;

export async function imageFiles(folder: string): Promise<void> {
  const program = (path: string): boolean => !/\.(map|d\.ts|tsbuildinfo)$/.test(path);
  for (const name of await readdir(join(root, 'dist')))
    if (!name.startsWith('.'))
      await cp(join(root, 'dist', name), join(folder, 'dist', name), { recursive: true, filter: program });
  for (const name of ['package.json', 'LICENSE']) await cp(join(root, name), join(folder, name));
  for (const name of await closure(STAYS_OUTSIDE))
    await cp(join(root, 'node_modules', name), join(folder, 'node_modules', name), {
      recursive: true,
      dereference: true,
      filter: isRun,
    });
}

/** The packages and all that they depend on; npm has put each into the one folder. */
async function closure(names: readonly string[]): Promise<Set<string>> {
  const found = new Set<string>();
  const missing = [...names];
  for (let name = missing.pop(); name !== undefined; name = missing.pop()) {
    if (found.has(name)) continue;
    const file = join(root, 'node_modules', name, 'package.json');
    if (existsSync(join(dirname(file), 'node_modules')))
      throw new Error(`${name} has dependencies of its own, which this script does not copy.`);
    found.add(name);
    const manifest: unknown = JSON.parse(await readFile(file, 'utf8'));
    const hasAny = typeof manifest === 'object' && manifest !== null && 'dependencies' in manifest;
    const { dependencies } = hasAny ? manifest : { dependencies: {} };
    missing.push(...Object.keys(dependencies ?? {}));
  }
  return found;
}

function isRun(path: string): boolean {
  const inPrebuilds = basename(dirname(path)) === 'prebuilds';
  if (inPrebuilds && basename(path) !== `${process.platform}-${process.arch}`) return false;
  // The image has glibc; the other add-on of the same platform is for Alpine.
  return !path.endsWith('.musl.node') && !NOT_RUN.test(basename(path));
}

const [, , folder] = process.argv;
if (import.meta.main && folder !== undefined) await imageFiles(folder);
