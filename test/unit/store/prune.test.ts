import { beforeEach, describe, expect, it } from 'vitest';
import { DatabaseCapsuleStore } from '../../../src/store/capsule-store.ts';
import { keyspace } from '../../../src/store/keyspaces.ts';
import type { CapsuleRow, CapsuleStatus, Database, Share } from '../../../src/store/types.ts';
import { memoryTestDatabase } from '../../support/database.ts';
import { addCapsule, capsuleId, pendingRow, unsignedCapsule } from '../../support/stored-capsules.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const NOW = 1_700_000_000_000;

describe('prune', () => {
  let db: Database;
  let store: DatabaseCapsuleStore<null>;
  beforeEach(async () => {
    db = memoryTestDatabase();
    store = await DatabaseCapsuleStore.open({ db, clock: new VirtualClock(NOW) });
  });

  interface Row {
    status: CapsuleStatus;
    age: number;
    endedAge?: number;
    share?: Share;
    bytes?: number;
  }
  async function fill(rows: Row[]): Promise<void> {
    const tx = db.transaction();
    for (const [number, { age, endedAge = age, ...fields }] of rows.entries()) {
      const times: Partial<CapsuleRow<null>> = { receivedAt: NOW - age, updatedAt: NOW - endedAge };
      addCapsule(
        store,
        tx,
        unsignedCapsule(capsuleId(number)),
        pendingRow(capsuleId(number), { ...fields, ...times }),
      );
    }
    await tx.commit();
  }

  async function left(): Promise<number[]> {
    const numbers: number[] = [];
    for await (const [id] of db.scan(keyspace('capsuleRows'), {})) numbers.push(Number.parseInt(id, 16));
    return numbers;
  }

  it('removes nothing when nothing is asked for', async () => {
    await fill([{ status: 'completed', age: 1_000_000 }]);
    expect(await store.prune({})).toBe(0);
    expect(await left()).toEqual([0]);
  });

  it('removes what ended longer ago than maxAgeMs, and never what has not ended', async () => {
    await fill([
      { status: 'completed', age: 2_000 },
      { status: 'failed', age: 2_000 },
      { status: 'pending', age: 9_000 },
      { status: 'announced', age: 9_000 },
      { status: 'executing', age: 9_000 },
      { status: 'completed', age: 9_000, endedAge: 100 },
      { status: 'completed', age: 500 },
    ]);
    expect(await store.prune({ maxAgeMs: 1_000 })).toBe(2);
    expect(await left()).toEqual([2, 3, 4, 5, 6]);
    expect(store.counts()).toEqual({ pending: 1, announced: 1, executing: 1, completed: 2, failed: 0 });
  });

  it('keeps the newest maxCount that have ended', async () => {
    await fill([
      { status: 'completed', age: 1 },
      { status: 'failed', age: 5 },
      { status: 'pending', age: 9 },
      { status: 'completed', age: 4 },
      { status: 'failed', age: 2 },
    ]);
    expect(await store.prune({ maxCount: 2 })).toBe(2);
    expect(await left()).toEqual([0, 2, 4]);
    expect(await store.prune({ maxCount: 0 })).toBe(2);
    expect(await left()).toEqual([2]);
  });

  it('neither removes nor counts the statuses to keep', async () => {
    await fill([
      { status: 'failed', age: 9 },
      { status: 'completed', age: 8 },
      { status: 'completed', age: 1 },
    ]);
    expect(await store.prune({ maxCount: 1, maxAgeMs: 5, keepStatuses: ['failed'] })).toBe(1);
    expect(await left()).toEqual([0, 2]);
    expect(await store.prune({ maxCount: 0, keepStatuses: ['failed', 'completed'] })).toBe(0);
  });

  it('keeps a capsule that has ended and owes a delivery', async () => {
    await fill([
      { status: 'completed', age: 9 },
      { status: 'completed', age: 8 },
    ]);
    const row = store.row(capsuleId(0));
    const tx = db.transaction();
    if (row !== undefined) store.put(tx, { ...row, open: true });
    await tx.commit();
    expect(await store.prune({ maxCount: 0 })).toBe(1);
    expect(await left()).toEqual([0]);
  });

  it('removes what strangers ordered an hour after it ended, or earlier, or never later than others', async () => {
    const hour = 3_600_000;
    const rows: Row[] = [
      { status: 'completed', age: 2 * hour, share: 'stranger' },
      { status: 'executing', age: 2 * hour, share: 'stranger' },
      { status: 'completed', age: hour / 2, share: 'stranger' },
      { status: 'completed', age: 2 * hour, share: 'known' },
      { status: 'completed', age: 2 * hour },
    ];
    await fill(rows);
    expect(await store.prune({})).toBe(1);
    expect(await left()).toEqual([1, 2, 3, 4]);
    expect(await store.prune({ strangerMaxAgeMs: hour / 4 })).toBe(1);
    expect(await left()).toEqual([1, 3, 4]);
    expect(await store.prune({ maxAgeMs: 1_000, strangerMaxAgeMs: hour * 9 })).toBe(2);
    expect(await left()).toEqual([1]);
  });

  it('keeps each share within its bytes, and takes the oldest', async () => {
    await fill([
      { status: 'completed', age: 9, share: 'stranger', bytes: 60 },
      { status: 'completed', age: 8, share: 'own', bytes: 60 },
      { status: 'pending', age: 7, share: 'stranger', bytes: 30 },
      { status: 'failed', age: 6, share: 'stranger', bytes: 60 },
      { status: 'completed', age: 5, share: 'known', bytes: 60 },
      { status: 'completed', age: 4, share: 'own', bytes: 60 },
    ]);
    expect(await store.prune({ maxBytes: { own: 100, stranger: 90 } })).toBe(2);
    expect(await left()).toEqual([2, 3, 4, 5]);
    expect(store.usage()).toEqual({
      own: { capsules: 1, bytes: 60 },
      known: { capsules: 1, bytes: 60 },
      stranger: { capsules: 2, bytes: 90 },
    });
    expect(await store.prune({ maxBytes: { stranger: 0 } })).toBe(1);
    expect(await left()).toEqual([2, 4, 5]);
  });

  it("takes strangers' first where there are too many", async () => {
    await fill([
      { status: 'completed', age: 9, share: 'own' },
      { status: 'completed', age: 8, share: 'known' },
      { status: 'completed', age: 7, share: 'stranger' },
      { status: 'completed', age: 6, share: 'stranger' },
    ]);
    expect(await store.prune({ maxCount: 3 })).toBe(1);
    expect(await left()).toEqual([0, 1, 3]);
    expect(await store.prune({ maxCount: 1 })).toBe(2);
    expect(await left()).toEqual([0]);
  });

  it('removes more than fits one batch, beside others that prune and work', async () => {
    await fill(Array.from({ length: 1_000 }, (_, at) => ({ status: 'completed' as const, age: 2_000 - at })));
    const prunes = Promise.all([store.prune({ maxCount: 10 }), store.prune({ maxCount: 10 })]);
    const tx = db.transaction();
    addCapsule(store, tx, unsignedCapsule(capsuleId(5_000)), pendingRow(capsuleId(5_000)));
    await tx.commit();
    const removed = await prunes;
    expect(removed[0] + removed[1]).toBe(990);
    expect(await left()).toEqual([...Array.from({ length: 10 }, (_, at) => 990 + at), 5_000]);
    expect(store.counts()).toMatchObject({ pending: 1, completed: 10 });
  });
});
