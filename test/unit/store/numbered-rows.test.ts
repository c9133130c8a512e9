import { describe, expect, it } from 'vitest';
import { keyspace } from '../../../src/store/keyspaces.ts';
import { NumberedRows, sequenceKey } from '../../../src/store/numbered-rows.ts';
import { memoryTestDatabase } from '../../support/database.ts';

const space = keyspace<string>('meta');

describe('the newest of numbered rows', () => {
  it('is found from the beginning, from the disk, and after others were added or taken away', async () => {
    const db = memoryTestDatabase();
    const rows = new NumberedRows(space);
    expect(rows.newest(db)).toBeUndefined();
    const put = async (...sequences: number[]): Promise<void> => {
      const tx = db.transaction();
      for (const each of sequences) tx.put(space, sequenceKey(each), `row ${each}`);
      await tx.commit();
    };
    await put(1, 2, 3);
    expect(rows.newest(db)).toEqual({ sequence: 3, row: 'row 3' });
    await put(4);
    expect(rows.newest(db)?.sequence).toBe(4);
    const opened = new NumberedRows(space);
    await opened.open(db);
    expect(opened.newest(db)).toEqual({ sequence: 4, row: 'row 4' });
    const tx = db.transaction();
    for (const each of [3, 4]) tx.delete(space, sequenceKey(each));
    await tx.commit();
    expect([rows, opened].map((each) => each.newest(db)?.sequence)).toEqual([2, 2]);
  });

  it('sees what its transaction staged, and nothing of it once that is given up', async () => {
    const db = memoryTestDatabase();
    const rows = new NumberedRows(space);
    const tx = db.transaction();
    tx.put(space, sequenceKey(1), 'staged');
    expect(rows.newest(tx)?.sequence).toBe(1);
    expect(rows.newest(db)).toBeUndefined();
  });

  it('makes the second of two that append at once fail', async () => {
    const db = memoryTestDatabase();
    const rows = new NumberedRows(space);
    const both = [db.transaction(), db.transaction()].map((tx) => {
      tx.put(space, sequenceKey((rows.newest(tx)?.sequence ?? 0) + 1), 'mine');
      return tx;
    });
    const commits = both.map((tx) => tx.commit());
    expect((await Promise.allSettled(commits)).map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
    ]);
  });
});
