import { randomUUID } from 'node:crypto';
import { chmod, link, lstat, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { reasonOf } from './errors.ts';

/** Characters of a file's name that its temporary one repeats: both must be a name that the file system takes. */
const REPEATED_CHARS = 100;
const NEW_FILE = 0o666;

/** Where content is written to, piece by piece. */
export type FileSink = (chunk: Uint8Array | string) => Promise<void>;

export interface NewFileOptions {
  /** Exactly this, whatever the umask; by default what the umask leaves of 0666. */
  mode?: number;
  /** Survives a loss of power once it is done. */
  durable?: boolean;
  /** The caller's own error for what the file system says, whose code is `EEXIST` where the name is taken. */
  fault: (error: unknown) => Error;
}

export interface AtomicOptions extends NewFileOptions {
  /** Takes the place of what has the name; without it a name that is taken, however late, is a fault. */
  replace: boolean;
}

/** Writes a file that is not there yet. Throws `fault` of what the file system says, and whatever `write` throws. */
export async function writeNew<T>(
  file: string,
  { mode, durable, fault }: NewFileOptions,
  write: (sink: FileSink) => Promise<T>,
): Promise<T> {
  const failing = (error: unknown): never => {
    throw fault(error);
  };
  const handle = await open(file, 'wx', mode ?? NEW_FILE).catch(failing);
  try {
    const written = await write((chunk) => handle.writeFile(chunk).catch(failing));
    if (durable) await handle.sync().catch(failing);
    return written;
  } finally {
    await handle.close();
  }
}

/**
 * Writes beside and puts the whole in place at the end, so that neither a reader nor a crash meets half a file, and a
 * failure leaves nothing behind.
 */
export async function writeAtomically<T>(
  file: string,
  options: AtomicOptions,
  write: (sink: FileSink) => Promise<T>,
): Promise<T> {
  const temporary = join(dirname(file), `.${basename(file).slice(0, REPEATED_CHARS)}.${randomUUID()}`);
  try {
    const written = await writeNew(temporary, options, write);
    try {
      if (options.mode !== undefined) await chmod(temporary, options.mode);
      await place(temporary, file, options.replace);
      if (options.durable) await syncDirectory(dirname(file));
    } catch (error) {
      throw options.fault(error);
    }
    return written;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Gives `temporary` its name. A link, unlike a rename, never replaces: of two writers at once one wins. */
async function place(temporary: string, file: string, replace: boolean): Promise<void> {
  if (!replace) {
    try {
      return await link(temporary, file);
    } catch (error) {
      // Not every file system has hard links; there, looking first is the best there is.
      if (reasonOf(error) === 'EEXIST' || (await lstat(file).catch(() => null)) !== null)
        throw Object.assign(new Error('The name is taken.'), { code: 'EEXIST' });
    }
  }
  await rename(temporary, file);
}

/** Makes the new name itself survive power loss; not every system can open a directory. */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
