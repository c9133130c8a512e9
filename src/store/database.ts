import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import type { Logger } from 'pino';
import { type Clock, systemClock } from '../lib/clock.ts';
import { nodeCrypto } from '../lib/crypto-node.ts';
import { MeshError, reasonOf } from '../lib/errors.ts';
import { type FaultPoints, noFaultPoints } from '../lib/fault-points.ts';
import { BufferedDatabase } from './buffered-database.ts';
import { ensureDirectory, unwritable } from './data-directory.ts';
import type { Rows, Write } from './disk.ts';
import { damaged } from './failure.ts';
import { Journal } from './journal/journal.ts';
import { JOURNAL_KEY, JournaledDisk } from './journaled-disk.ts';
import { keyspace } from './keyspaces.ts';
import { LevelRows } from './level-rows.ts';
import { fullKey } from './transaction.ts';
import type { Database } from './types.ts';

/** Counts up with every change of what is stored that another version would misread. */
export const STORE_VERSION = 3;
/** Read before there is a journal. */
const VERSION_KEY = fullKey(keyspace('meta'), 'store-version');
/**
 * Bytes that LevelDB collects in memory before it writes a table: more than a journal file holds, so that tables are large
 * and rarely merged. Memory is taken as it fills.
 */
const WRITE_BUFFER_BYTES = 64 * 1_048_576;

/** What LevelDB has written once it was opened. The first manifest alone holds nothing: a first start died before `CURRENT`. */
const WRITTEN = /^(?:\d+\.(?:ldb|sst|log)|MANIFEST-(?!000001$)\d+)$/;

export interface OpenDatabaseOptions {
  /** The node's data directory; made, for its owner only, where missing. The database lives in `store` below it. */
  directory: string;
  log: Logger;
  clock?: Clock;
  /** For durability tests; see `journal/journal.ts`. */
  faults?: FaultPoints;
  /** Called once when a write failed; from then on every commit rejects with `storage_failed`. */
  onFailure?: (error: MeshError) => void;
}

/**
 * Opens the one database of a data directory. Throws `data_dir_unwritable`, `data_dir_locked` while another process
 * has it open, `store_too_new` and `store_too_old` when another version wrote it, `storage_failed` when it is damaged.
 */
export async function openDatabase(options: OpenDatabaseOptions): Promise<Database> {
  const { directory, clock = systemClock, faults = noFaultPoints } = options;
  await ensureDirectory(directory);
  await refuseWithoutCurrent(directory);
  const rows = new LevelRows(await openLevel(directory));
  try {
    const journal = await openJournal(directory, rows, faults);
    return new BufferedDatabase({ ...options, clock, disk: new JournaledDisk({ journal, rows, clock }) });
  } catch (error) {
    await rows.close();
    throw error instanceof Error && !(error instanceof MeshError) && 'code' in error
      ? unwritable(directory, error)
      : error;
  }
}

/** Where `CURRENT` is gone LevelDB begins anew, and removes the tables that it then knows nothing of. */
async function refuseWithoutCurrent(directory: string): Promise<void> {
  const names = await readdir(storeIn(directory)).catch((error: unknown): string[] => {
    if (reasonOf(error) === 'ENOENT') return [];
    throw unwritable(directory, error);
  });
  if (names.includes('CURRENT') || !names.some((name) => WRITTEN.test(name))) return;
  throw damaged(`the file "CURRENT" is missing in ${storeIn(directory)}, beside tables that need it`, {
    directory,
  });
}

async function openLevel(directory: string): Promise<ClassicLevel<string, string>> {
  const level = new ClassicLevel<string, string>(storeIn(directory), { writeBufferSize: WRITE_BUFFER_BYTES });
  try {
    await level.open();
    return level;
  } catch (error) {
    throw openFailure(directory, error);
  }
}

async function openJournal(directory: string, rows: Rows, faults: FaultPoints): Promise<Journal> {
  const init = {
    directory: join(storeIn(directory), 'journal'),
    replay: (writes: Write[]) => rows.apply(writes),
    salt: () => Math.max(1, Buffer.from(nodeCrypto.randomBytes(4)).readUInt32BE()),
    faults,
  };
  const version = readNumber(rows, VERSION_KEY, directory);
  if (version !== null) {
    assertVersion(version, directory);
    const from = readNumber(rows, JOURNAL_KEY, directory);
    if (from === null) throw damaged('it does not say where its journal begins', { directory });
    return Journal.open({ ...init, from });
  }
  const journal = await Journal.open({ ...init, from: null });
  try {
    await rows.settle([
      { type: 'put', key: VERSION_KEY, value: String(STORE_VERSION) },
      { type: 'put', key: JOURNAL_KEY, value: '1' },
    ]);
    return journal;
  } catch (error) {
    await journal.close();
    throw error;
  }
}

/** Null where there is none. */
function readNumber(rows: Rows, key: string, directory: string): number | null {
  const found = rows.get(key);
  if (found === undefined) return null;
  if (!/^[1-9]\d{0,8}$/.test(found))
    throw damaged('its version, or where its journal begins, is no number', { directory });
  return Number(found);
}

function assertVersion(found: number, directory: string): void {
  if (found === STORE_VERSION) return;
  const detail = { directory, found, known: STORE_VERSION };
  if (found > STORE_VERSION) {
    const message = `The store in ${directory} has version ${found}; this node knows version ${STORE_VERSION} only.`;
    throw new MeshError('store_too_new', message, detail);
  }
  const message = `The store in ${storeIn(directory)} was made by an earlier version; move it away or export it with that version.`;
  throw new MeshError('store_too_old', message, detail);
}

function storeIn(directory: string): string {
  return join(directory, 'store');
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
  if (code === 'LEVEL_CORRUPTION' || missing) return damaged(textOf(cause), { directory, cause });
  return unwritable(directory, cause);
}

/** What LevelDB says of it names the file. */
function textOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(/\.$/, '') : 'it cannot be read';
}
