import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Logger, pino } from 'pino';
import { systemClock } from '../../src/lib/clock.ts';
import { openDatabase } from '../../src/store/database.ts';
import { openMemoryDatabase } from '../../src/store/memory-database.ts';
import type { Database } from '../../src/store/types.ts';

export const silentLog: Logger = pino({ level: 'silent' });

export interface TestDatabase {
  db: Database;
  directory: string;
  /** Closes the database and removes its directory. */
  close(): Promise<void>;
}

/** The real database in a directory of its own. */
export async function openTestDatabase(): Promise<TestDatabase> {
  const directory = await mkdtemp(join(tmpdir(), 'capsule-store-'));
  const db = await openDatabase({ directory, log: silentLog });
  return {
    db,
    directory,
    async close() {
      await db.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export function memoryTestDatabase(): Database {
  return openMemoryDatabase({ log: silentLog, clock: systemClock });
}
