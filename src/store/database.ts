import { join } from 'node:path';
import { Level } from 'level';
import type { Logger } from 'pino';
import { MeshError } from '../lib/errors.ts';
import { BufferedDatabase } from './buffered-database.ts';
import { ensureDirectory, unwritable } from './data-directory.ts';
import { keyspace } from './keyspaces.ts';
import { LevelDisk } from './level-disk.ts';
import type { Database } from './types.ts';

/** Counts up with every change of what is stored that an older node would misread. */
export const STORE_VERSION = 1;
const VERSION_KEY = 'store-version';
const meta = keyspace<number>('meta');

export interface OpenDatabaseOptions {
  /** The node's data directory; made, for its owner only, where missing. The database lives in `store` below it. */
  directory: string;
  log: Logger;
  /** Called once when a write failed; from then on every commit rejects with `storage_failed`. */
  onFailure?: (error: MeshError) => void;
}

/**
 * Opens the one database of a data directory. Throws `data_dir_unwritable`, `data_dir_locked` while another process
 * has it open, `store_too_new` when a newer version wrote it, `storage_failed` when it is damaged.
 */
export async function openDatabase(options: OpenDatabaseOptions): Promise<Database> {
  await ensureDirectory(options.directory);
  const level = await openLevel(options.directory);
  const db = new BufferedDatabase({ ...options, disk: new LevelDisk(level) });
  try {
    await checkVersion(db, options.directory);
  } catch (error) {
    await db.close();
    throw error;
  }
  return db;
}

async function openLevel(directory: string): Promise<Level<string, string>> {
  const level = new Level<string, string>(join(directory, 'store'));
  try {
    await level.open();
    return level;
  } catch (error) {
    throw openFailure(directory, error);
  }
}

function openFailure(directory: string, error: unknown): MeshError {
  // `level` wraps what went wrong as the cause of "not open".
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'LEVEL_LOCKED') {
    return new MeshError(
      'data_dir_locked',
      `Another node already runs on the data directory ${directory}.`,
      { directory },
      { cause },
    );
  }
  // A file that the database had made and that is gone.
  const missing = cause instanceof Error && cause.message.includes('No such file');
  if (code === 'LEVEL_CORRUPTION' || missing) return damaged(directory, cause);
  return unwritable(directory, cause);
}

function damaged(directory: string, cause?: unknown): MeshError {
  return new MeshError('storage_failed', `The store in ${directory} is damaged.`, { directory }, { cause });
}

async function checkVersion(db: Database, directory: string): Promise<void> {
  const found = db.get(meta, VERSION_KEY);
  if (found === STORE_VERSION) return;
  if (found === undefined) {
    const tx = db.transaction();
    tx.put(meta, VERSION_KEY, STORE_VERSION);
    await tx.commit();
  } else if (Number.isInteger(found) && found > STORE_VERSION) {
    throw new MeshError(
      'store_too_new',
      `The store in ${directory} has version ${found}; this node knows version ${STORE_VERSION} and older.`,
      { directory, found, known: STORE_VERSION },
    );
  } else {
    throw damaged(directory);
  }
}
