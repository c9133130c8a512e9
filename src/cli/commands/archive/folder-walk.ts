import { lstat, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { openFileSource } from '../../../archive/file-source.ts';
import type { ReusableSource } from '../../../archive/source.ts';
import { ARCHIVE_LIMITS } from '../../../archive/types.ts';
import { MeshError, reasonOf } from '../../../lib/errors.ts';
import { usage } from '../../failure.ts';
import { MAX_SECRET_BYTES, secretIn } from './secrets.ts';

/** How `capsule keygen` names what must not leave the machine. */
const PRIVATE_KEY = '.private.hex';

/** A file on the disk that is opened for each read: a folder may have more files than a process may hold open. */
export class FolderFile implements ReusableSource {
  /** Below the folder, with `/`. */
  readonly path: string;
  /** On the disk. */
  readonly location: string;
  readonly size: number;

  constructor(path: string, location: string, size: number) {
    this.path = path;
    this.location = location;
    this.size = size;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    await this.readInto(bytes, offset);
    return bytes;
  }

  async readInto(target: Uint8Array<ArrayBuffer>, offset: number): Promise<void> {
    const source = await openFileSource(this.location);
    try {
      if (source.size !== this.size)
        throw new MeshError('conflict', `${this.location} changed while it was being sealed.`);
      await source.readInto(target, offset);
    } finally {
      await source.close();
    }
  }
}

export interface Walk {
  files: FolderFile[];
  /** How many names that begin with a dot were passed over. */
  hidden: number;
}

interface WalkOptions {
  /** Where the archive will be. */
  out: string;
  /** Files and folders that are left out, named from the folder. */
  exclude?: readonly string[] | undefined;
}

/**
 * Every file below a folder, in order, without hidden ones and those that are excluded. Throws `usage` for what is no
 * plain file or folder, links among them: what they lead to may lie outside; for keys and tokens; and for an exclusion
 * that is not there. Throws `too_large` for more than an archive may hold.
 */
export async function walkFolder(folder: string, { out, exclude = [] }: WalkOptions): Promise<Walk> {
  const excluded = new Map(exclude.map((name) => [resolve(folder, name), name]));
  const walk: Walk = { files: [], hidden: 0 };
  let total = 0;
  const visit = async (prefix: string): Promise<void> => {
    const entries = await readdir(join(folder, prefix), { withFileTypes: true }).catch((error: unknown) => {
      throw usage(`${join(folder, prefix)} cannot be read as a folder (${reasonOf(error)}).`);
    });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = `${prefix}${entry.name}`;
      const location = join(folder, path);
      if (resolve(location) === resolve(out) || excluded.delete(resolve(location))) continue;
      if (entry.name.startsWith('.')) walk.hidden += 1;
      else if (entry.isDirectory()) await visit(`${path}/`);
      else if (entry.isSymbolicLink())
        throw usage(`${location} is a symbolic link; put the file itself there, or leave it out.`);
      else if (!entry.isFile()) throw usage(`${location} is neither a file nor a folder.`);
      else {
        const { size } = await lstat(location);
        const file = new FolderFile(path, location, size);
        await refuseSecret(file);
        total += size;
        walk.files.push(file);
        refuseTooMuch(folder, walk.files.length, total);
      }
    }
  };
  await visit('');
  const [left] = excluded.values();
  if (left !== undefined) throw usage(`There is no ${JSON.stringify(left)} in ${folder} to be excluded.`);
  return walk;
}

async function refuseSecret(file: FolderFile): Promise<void> {
  const { path, location, size } = file;
  const named = path.endsWith(PRIVATE_KEY) ? 'a private key' : null;
  const secret = named ?? (size > MAX_SECRET_BYTES ? null : secretIn(path, await file.read(0, size)));
  if (secret !== null)
    throw usage(
      `${location} holds ${secret}; whoever gets the archive would have it.`,
      `Move it away, or leave it out: --exclude ${JSON.stringify(path)}`,
    );
}

function refuseTooMuch(folder: string, files: number, total: number): void {
  const { maxEntries, maxTotalBytes } = ARCHIVE_LIMITS;
  if (files > maxEntries)
    throw new MeshError(
      'too_large',
      `${folder} has more than ${String(maxEntries)} files, the most that an archive may hold.`,
    );
  if (total > maxTotalBytes)
    throw new MeshError(
      'too_large',
      `${folder} has more than ${String(maxTotalBytes)} bytes, the most that an archive may hold.`,
    );
}
