import { access, constants, lstat, mkdir, open, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { ByteSink } from '../archive/types.ts';
import { type AtomicOptions, writeAtomically } from '../lib/atomic-file.ts';
import { reasonOf } from '../lib/errors.ts';
import { type CliError, usage } from './failure.ts';

interface PlaceOptions {
  /** Replaces what has the name already. */
  force: boolean | undefined;
  mode?: number;
}

export const unwritable = (file: string, error: unknown): CliError =>
  usage(`${file} cannot be written (${reasonOf(error)}).`);

const exists = (file: string): CliError =>
  usage(`${file} exists already.`, 'Replace it with --force, or choose another name.');

/**
 * To be asked before long or costly work, whose result is to go there. Throws `usage` where a name is taken, be it by
 * a link that leads nowhere; with `force` where what has it is no file, such as a folder or a device; and where
 * nothing can be written.
 */
export async function checkOutputs(files: readonly string[], force = false): Promise<void> {
  for (const file of files) {
    if (/(?:^|\/)$/.test(file)) throw usage(`"${file}" is not the name of a file.`);
    if (!force) await refuseExisting(file);
    const replaced = await stat(file).catch(() => null);
    if (replaced?.isFile() === false || (await isStream(file)))
      throw usage(`${file} is not a file, and only a file is replaced.`);
    await access(dirname(file), constants.W_OK | constants.X_OK).catch((error: unknown) => {
      throw unwritable(file, error);
    });
  }
}

async function refuseExisting(file: string): Promise<void> {
  const found = await lstat(file).catch(() => null);
  if (found !== null) throw exists(file);
}

/**
 * Makes a directory and those above it; gives the topmost that was not there. What `mkdir` offers for that tries for
 * ever where a file system such as /proc says of a new name that it does not exist.
 */
export async function makeDirectory(path: string): Promise<string | undefined> {
  const make = () =>
    mkdir(path).then(
      () => path,
      async (error: unknown) => {
        if ((await stat(path).catch(() => null))?.isDirectory()) return undefined;
        throw error;
      },
    );
  try {
    return await make();
  } catch (error) {
    if (reasonOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    const above = await makeDirectory(dirname(path));
    return above === undefined ? make() : make().then(() => above);
  }
}

/**
 * A whole file or none, by `writeAtomically`. Throws `usage` where the name is taken or cannot be written, and whatever
 * `write` throws.
 */
export async function writeWhole<T>(
  file: string,
  options: PlaceOptions,
  write: (sink: ByteSink) => Promise<T>,
): Promise<T> {
  await checkOutputs([file], options.force);
  return writeAtomically(file, placing(file, options), write);
}

/** A short text as a file of its own, whole or not at all. */
export function writeNewFile(file: string, text: string, options: PlaceOptions): Promise<void> {
  return writeWhole(file, options, async (sink) => sink(new TextEncoder().encode(text)));
}

function placing(file: string, { force = false, mode }: PlaceOptions): AtomicOptions {
  return {
    replace: force,
    ...(mode !== undefined && { mode }),
    fault: (error) => (reasonOf(error) === 'EEXIST' ? exists(file) : unwritable(file, error)),
  };
}

/** Directly in /dev or below /proc, where what looks like a file is the system's own, such as /dev/stdout. */
const SYSTEM_NAME = /^\/(?:dev\/(?:fd\/)?[^/]+|proc\/.+)$/;

/** A device or a pipe, such as /dev/null: it is written to, and never replaced by a file. */
async function isStream(file: string): Promise<boolean> {
  const found = await stat(file).catch(() => null);
  if (found === null || found.isDirectory()) return false;
  return !found.isFile() || SYSTEM_NAME.test(resolve(file));
}

/** Of text for `--out`, before the work that makes it: as `checkOutputs`, but for what `writeText` writes through. */
export async function checkTextOutput(file: string | undefined, force = false): Promise<void> {
  if (file !== undefined && !(await isStream(file))) await checkOutputs([file], force);
}

/** What a command was to print, to the file of `--out`: whole or not at all, or into a device or a pipe. */
export async function writeText(
  file: string,
  text: string | AsyncIterable<string>,
  options: { force?: boolean | undefined; mode?: number },
): Promise<void> {
  const { force = false, ...rest } = options;
  await checkTextOutput(file, force);
  const parts = typeof text === 'string' ? [text] : text;
  if (await isStream(file)) {
    const stream = await open(file, 'w').catch((error: unknown) => {
      throw unwritable(file, error);
    });
    try {
      for await (const part of parts) await stream.writeFile(part);
    } finally {
      await stream.close();
    }
    return;
  }
  await writeAtomically(file, placing(file, { force, ...rest }), async (sink) => {
    for await (const part of parts) await sink(part);
  });
}
