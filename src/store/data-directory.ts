import { constants } from 'node:fs';
import { access, mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { MeshError } from '../lib/errors.ts';
import { diskFull, isDiskFull } from './failure.ts';

const OWNER_ONLY = 0o700;

/** Makes the data directory, for its owner only, where it is missing. Throws `data_dir_unwritable`, or `storage_failed` where the disk is full. */
export async function ensureDirectory(directory: string): Promise<void> {
  try {
    await makeMissing(directory);
    await access(directory, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw unwritable(directory, error);
  }
}

export function unwritable(directory: string, cause: unknown): MeshError {
  if (isDiskFull(cause)) return diskFull(cause, directory);
  const message = `The data directory ${directory} cannot be created or written.`;
  return new MeshError('data_dir_unwritable', message, { directory }, { cause });
}

/** One level at a time: a recursive `mkdir` never ends where nothing can be made, such as below `/proc`. */
async function makeMissing(directory: string): Promise<void> {
  if (await isDirectory(directory)) return;
  const parent = dirname(directory);
  if (parent !== directory) await makeMissing(parent);
  try {
    await mkdir(directory, { mode: OWNER_ONLY });
  } catch (error) {
    // Of two that make it at once one finds it made.
    if (!(await isDirectory(directory))) throw error;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
