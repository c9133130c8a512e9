import { randomUUID } from 'node:crypto';
import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ByteSink } from '../archive/types.ts';
import { nameCollisions, portabilityProblem } from '../archive/zip/portable-names.ts';
import { writeNew } from '../lib/atomic-file.ts';
import { reasonOf } from '../lib/errors.ts';
import { makeDirectory, unwritable } from './archive-files.ts';
import { usage } from './failure.ts';

interface UnpackOptions {
  /** Also into a directory that is not empty, replacing files. */
  force: boolean;
  signal: AbortSignal;
  /** Whether names that mean something else on Windows are refused; by default where this is Windows. */
  onWindows?: boolean;
  /** Writes one file's content. */
  write(path: string, sink: ByteSink): Promise<void>;
}

/**
 * Writes files below a directory: all of them beside first, then each to its place, so that a failure on the way
 * leaves nothing behind. Paths are relative, with `/`, and free of `..`. Nothing that exists below the directory
 * is followed. Throws `usage`, and whatever `write` throws.
 */
export async function unpack(
  target: string,
  paths: readonly string[],
  options: UnpackOptions,
): Promise<void> {
  refuseNames(paths, options.onWindows ?? process.platform === 'win32');
  await checkTarget(target, options.force);
  const folders = foldersOf(paths);
  for (const folder of folders) await checkFolder(target, folder);
  for (const path of paths) await checkPlace(target, path);
  const made = await makeDirectory(target).catch(failing(target));
  const staging = join(target, `.capsule-extract-${randomUUID()}`);
  try {
    await mkdir(staging).catch(failing(target));
    for (const [index, path] of paths.entries()) {
      options.signal.throwIfAborted();
      const fault = (error: unknown) => unwritable(join(target, path), error);
      await writeNew(join(staging, String(index)), { fault }, (sink) => options.write(path, sink));
    }
    for (const folder of folders) await makeFolder(join(target, folder));
    for (const [index, path] of paths.entries()) {
      const place = join(target, path);
      await rename(join(staging, String(index)), place).catch(failing(place));
    }
  } catch (error) {
    if (made !== undefined) await rm(made, { recursive: true, force: true });
    throw error;
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

const failing =
  (place: string) =>
  (error: unknown): never => {
    throw unwritable(place, error);
  };

/** Names of which some file system would lose one without a word, or that Windows takes for something else. */
function refuseNames(paths: readonly string[], onWindows: boolean): void {
  const [collision] = nameCollisions(paths);
  if (collision !== undefined) throw usage(`${collision}: not every system can extract both.`);
  for (const path of onWindows ? paths : []) {
    const problem = portabilityProblem(path);
    if (problem !== null) throw usage(`The name ${JSON.stringify(path)} ${problem}.`);
  }
}

/** Every folder that the paths need, parents first. */
function foldersOf(paths: readonly string[]): string[] {
  const folders = new Set<string>();
  for (const path of paths) {
    const segments = path.split('/').slice(0, -1);
    for (let count = 1; count <= segments.length; count++) folders.add(segments.slice(0, count).join('/'));
  }
  return [...folders].sort();
}

async function checkTarget(target: string, force: boolean): Promise<void> {
  const found = await readdir(target).catch((error: unknown) => {
    if (reasonOf(error) === 'ENOENT') return [];
    throw usage(`${target} cannot be used (${reasonOf(error)}).`);
  });
  if (found.length > 0 && !force)
    throw usage(`${target} is not empty.`, 'Unpack into it all the same with --force, or choose another.');
}

const statOf = (path: string) => lstat(path).catch(() => null);

async function checkFolder(target: string, folder: string): Promise<void> {
  const found = await statOf(join(target, folder));
  if (found === null || found.isDirectory()) return;
  const kind = found.isSymbolicLink() ? 'a symbolic link' : 'not a directory';
  throw usage(`${join(target, folder)} is ${kind}; nothing is written through it.`);
}

async function checkPlace(target: string, path: string): Promise<void> {
  const found = await statOf(join(target, path));
  if (found?.isDirectory()) throw usage(`${join(target, path)} is a directory where a file should go.`);
}

/** Made here, or a real directory that was here before: never the other end of a link. */
async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder).catch(async (error: unknown) => {
    if (reasonOf(error) !== 'EEXIST' || !(await statOf(folder))?.isDirectory()) failing(folder)(error);
  });
}
