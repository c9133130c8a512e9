import { describe, expect, it } from 'vitest';
import { keyspace } from '../../../src/store/keyspaces.ts';
import { NumberedRows, sequenceKey } from '../../../src/store/numbered-rows.ts';
import type { Database } from '../../../src/store/types.ts';
import { memoryTestDatabase } from '../../support/database.ts';

const space = keyspace<string>('meta');

/** All in one transaction. */
async function append(db: Database, rows: NumberedRows<string>, ...values: string[]): Promise<void> {
  const tx = db.transaction();
  for (const row of values) rows.append(tx, { sequence: (rows.newest(tx)?.sequence ?? 0) + 1, row });
  await tx.commit();
}

describe('the newest of numbered rows', () => {
  it('is found from the beginning, from the disk, and after others were added', async () => {
    const db = memoryTestDatabase();
    const rows = new NumberedRows(space);
    expect(rows.newest(db)).toBeUndefined();
    await append(db, rows, 'a', 'b', 'c');
    expect(rows.newest(db)).toEqual({ sequence: 3, row: 'c' });
    const opened = new NumberedRows(space);
    await opened.open(db);
    expect(opened.newest(db)).toEqual({ sequence: 3, row: 'c' });
    await append(db, opened, 'd');
    expect(opened.newest(db)).toEqual({ sequence: 4, row: 'd' });
    expect(db.get(space, sequenceKey(4))).toBe('d');
  });

  it('sees what its transaction staged, and nothing of it once that is given up', async () => {
    const db = memoryTestDatabase();
    const rows = new NumberedRows(space);
    const tx = db.transaction();
    rows.append(tx, { sequence: 1, row: 'staged' });
    expect(rows.newest(tx)?.sequence).toBe(1);
    expect(rows.newest(db)).toBeUndefined();
  });

  it('makes the second of two that append at once fail', async () => {
    const db = memoryTestDatabase();
    const rows = new NumberedRows(space);
    await rows.open(db);
    const both = [db.transaction(), db.transaction()].map((tx) => {
      rows.append(tx, { sequence: (rows.newest(tx)?.sequence ?? 0) + 1, row: 'mine' });
      return tx;
    });
    const commits = both.map((tx) => tx.commit());
    expect((await Promise.allSettled(commits)).map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
    ]);
  });
});
