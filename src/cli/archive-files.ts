import { randomUUID } from 'node:crypto';
import {
  access,
  constants,
  type FileHandle,
  link,
  lstat,
  mkdir,
  open,
  rename,
  rm,
  stat,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ByteSink } from '../archive/types.ts';
import { reasonOf } from '../lib/errors.ts';
import { type CliError, usage } from './failure.ts';

export interface PlaceOptions {
  /** Replaces what has the name already. */
  force: boolean;
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
export async function checkOutputs(files: readonly string[], force: boolean): Promise<void> {
  for (const file of files) {
    if (/(?:^|\/)$/.test(file)) throw usage(`"${file}" is not the name of a file.`);
    if (!force) await refuseExisting(file);
    const replaced = await stat(file).catch(() => null);
    if (replaced?.isFile() === false) throw usage(`${file} is not a file, and only a file is replaced.`);
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
 * Writes beside and puts the whole in place at the end, so that nobody meets half a file and a failure leaves
 * nothing behind. Throws `usage` where the name is taken or cannot be written, and whatever `write` throws.
 */
export async function writeWhole<T>(
  file: string,
  options: PlaceOptions,
  write: (sink: ByteSink) => Promise<T>,
): Promise<T> {
  await checkOutputs([file], options.force);
  const temporary = join(dirname(file), `.${basename(file).slice(0, 100)}.${randomUUID()}`);
  const unless = (error: unknown): never => {
    throw unwritable(file, error);
  };
  const handle: FileHandle = await open(temporary, 'wx', options.mode ?? 0o666).catch(unless);
  try {
    let written: T;
    try {
      written = await write((chunk) => handle.writeFile(chunk).catch(unless));
    } finally {
      await handle.close();
    }
    await place(temporary, file, options.force);
    return written;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** A short text as a file of its own, whole or not at all. */
export function writeNewFile(file: string, text: string, options: PlaceOptions): Promise<void> {
  return writeWhole(file, options, async (sink) => sink(new TextEncoder().encode(text)));
}

/** Gives `temporary` its name; without `force` never over another file, however late that one appeared. */
async function place(temporary: string, file: string, force: boolean): Promise<void> {
  if (!force) {
    try {
      return await link(temporary, file);
    } catch (error) {
      // Not every file system has hard links; there, looking first is the best there is.
      if (reasonOf(error) === 'EEXIST') throw exists(file);
      await refuseExisting(file);
    }
  }
  await rename(temporary, file).catch((error: unknown) => {
    throw unwritable(file, error);
  });
}
