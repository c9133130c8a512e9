import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type NewFileOptions, writeAtomically } from '../lib/atomic-file.ts';
import { MeshError, reasonOf } from '../lib/errors.ts';
import { decodeText } from '../lib/local-text.ts';
import { diskFull, isDiskFull } from '../store/failure.ts';

/*
 * Files that only their owner may read: identity, token, address. Always written beside, synced and moved into
 * place, so that a reader, or a crash, never meets half a file.
 */
const OWNER_ONLY_FILE = 0o600;
const OTHERS = 0o077;

/** Undefined where there is no such file. Throws `config_invalid` when others can read it, or it is not UTF-8. */
export async function readPrivateFile(path: string): Promise<string | undefined> {
  try {
    const { mode } = await stat(path);
    if (process.platform !== 'win32' && (mode & OTHERS) !== 0) {
      const found = (mode & 0o777).toString(8);
      throw new MeshError(
        'config_invalid',
        `${path} can be read by others (mode ${found}); run: chmod 600 ${path}`,
        { path, found, allowed: '600' },
      );
    }
    return decodeText(await readFile(path), path, 'config_invalid').text;
  } catch (error) {
    if (reasonOf(error) === 'ENOENT') return undefined;
    if (error instanceof MeshError) throw error;
    throw new MeshError('data_dir_unwritable', `${path} cannot be read (${reasonOf(error)}).`, { path });
  }
}

/** Replaces or creates the file in one step. Throws `data_dir_unwritable`, or `storage_failed` where the disk is full. */
export function writePrivateFile(path: string, text: string): Promise<void> {
  return writeAtomically(path, { ...ofOwner(path), replace: true }, (sink) => sink(text));
}

/** Creates the file in one step; false, and nothing changed, when there is one already. */
export async function createPrivateFile(path: string, text: string): Promise<boolean> {
  try {
    await writeAtomically(path, { ...ofOwner(path), replace: false }, (sink) => sink(text));
    return true;
  } catch (error) {
    if (error instanceof MeshError && reasonOf(error.cause) === 'EEXIST') return false;
    throw error;
  }
}

const ofOwner = (path: string): NewFileOptions => ({
  mode: OWNER_ONLY_FILE,
  durable: true,
  fault: (cause) => {
    const directory = dirname(path);
    if (isDiskFull(cause)) return diskFull(cause, directory);
    const message = `The data directory ${directory} cannot be written (${reasonOf(cause)}).`;
    return new MeshError('data_dir_unwritable', message, { path: directory }, { cause });
  },
});
