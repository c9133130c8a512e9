import { randomUUID } from 'node:crypto';
import { type FileHandle, link, lstat, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ByteSink } from '../archive/types.ts';
import { type CliError, usage } from './failure.ts';
import { reason } from './files.ts';

export interface PlaceOptions {
  /** Replaces what has the name already. */
  force: boolean;
  mode?: number;
}

export const unwritable = (file: string, error: unknown): CliError =>
  usage(`${file} cannot be written (${reason(error)}).`);

const exists = (file: string): CliError =>
  usage(`${file} exists already.`, 'Replace it with --force, or choose another name.');

/** Throws `usage` where one of the names is taken, be it by a link that leads nowhere. */
export async function refuseExisting(files: readonly string[]): Promise<void> {
  for (const file of files) {
    const taken = await lstat(file).then(
      () => true,
      () => false,
    );
    if (taken) throw exists(file);
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
  if (!options.force) await refuseExisting([file]);
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
      if (reason(error) === 'EEXIST') throw exists(file);
      await refuseExisting([file]);
    }
  }
  await rename(temporary, file).catch((error: unknown) => {
    throw unwritable(file, error);
  });
}
