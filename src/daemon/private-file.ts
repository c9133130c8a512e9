import { randomUUID } from 'node:crypto';
import { chmod, link, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { MeshError, reasonOf } from '../lib/errors.ts';
import { diskFull, isDiskFull } from '../store/failure.ts';

/*
 * Files that only their owner may read: identity, token, address. Always written beside, synced and moved into
 * place, so that a reader, or a crash, never meets half a file.
 */
const OWNER_ONLY_FILE = 0o600;
const OTHERS = 0o077;

/** Undefined where there is no such file. Throws `config_invalid` when others can read it. */
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
    return await readFile(path, 'utf8');
  } catch (error) {
    if (reasonOf(error) === 'ENOENT') return undefined;
    if (error instanceof MeshError) throw error;
    throw new MeshError('data_dir_unwritable', `${path} cannot be read (${reasonOf(error)}).`, { path });
  }
}

/** Replaces or creates the file in one step. Throws `data_dir_unwritable`, or `storage_failed` where the disk is full. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  await writeBeside(path, text, (temporary) => rename(temporary, path));
}

/** Creates the file in one step; false, and nothing changed, when there is one already. */
export async function createPrivateFile(path: string, text: string): Promise<boolean> {
  let created = true;
  await writeBeside(path, text, async (temporary) => {
    try {
      // A link, unlike a rename, never replaces: of two nodes that start at once one wins.
      await link(temporary, path);
    } catch (error) {
      if (reasonOf(error) !== 'EEXIST') throw error;
      created = false;
    }
  });
  return created;
}

async function writeBeside(
  path: string,
  text: string,
  place: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}`);
  await guard(dirname(path), async () => {
    try {
      const file = await open(temporary, 'wx', OWNER_ONLY_FILE);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await chmod(temporary, OWNER_ONLY_FILE);
      await place(temporary);
    } finally {
      await rm(temporary, { force: true });
    }
    await syncDirectory(dirname(path));
  });
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

async function guard(directory: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof MeshError) throw error;
    if (isDiskFull(error)) throw diskFull(error, directory);
    const message = `The data directory ${directory} cannot be written (${reasonOf(error)}).`;
    throw new MeshError('data_dir_unwritable', message, { path: directory }, { cause: error });
  }
}
