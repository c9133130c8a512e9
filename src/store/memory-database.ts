import { BufferedDatabase, type BufferedDatabaseInit } from './buffered-database.ts';
import { MemoryDisk } from './memory-disk.ts';
import type { Database } from './types.ts';

/** The database without a directory: same behaviour, nothing kept. */
export function openMemoryDatabase(init: Omit<BufferedDatabaseInit, 'disk'>): Database {
  return new BufferedDatabase({ ...init, disk: new MemoryDisk() });
}
