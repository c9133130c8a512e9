import { beforeEach, describe, expect, it } from 'vitest';
import { DatabaseCapsuleStore } from '../../../src/store/capsule-store.ts';
import { keyspace } from '../../../src/store/keyspaces.ts';
import type { CapsuleRecord, CapsuleStatus, Database } from '../../../src/store/types.ts';
import { memoryTestDatabase } from '../../support/database.ts';
import { capsuleId, pendingRecord, unsignedCapsule } from '../../support/stored-capsules.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const NOW = 1_700_000_000_000;

describe('prune', () => {
  let db: Database;
  let store: DatabaseCapsuleStore;
  beforeEach(() => {
    db = memoryTestDatabase();
    store = new DatabaseCapsuleStore({ db, clock: new VirtualClock(NOW) });
  });

  async function fill(rows: { status: CapsuleStatus; age: number; endedAge?: number }[]): Promise<void> {
    const tx = db.transaction();
    for (const [number, { status, age, endedAge = age }] of rows.entries()) {
      const times: Partial<CapsuleRecord> = { receivedAt: NOW - age, updatedAt: NOW - endedAge };
      store.add(
        tx,
        unsignedCapsule(capsuleId(number)),
        pendingRecord(capsuleId(number), { status, ...times }),
      );
    }
    await tx.commit();
  }

  async function left(): Promise<number[]> {
    const numbers: number[] = [];
    for await (const [id] of db.scan(keyspace('records'), {})) numbers.push(Number.parseInt(id, 16));
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
    expect(await store.counts()).toEqual({ pending: 1, announced: 1, executing: 1, completed: 2, failed: 0 });
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

  it('keeps a capsule whose result waits for its delivery', async () => {
    await fill([
      { status: 'completed', age: 9 },
      { status: 'completed', age: 8 },
    ]);
    const tx = db.transaction();
    tx.put(keyspace<unknown>('outbox'), capsuleId(0), {});
    await tx.commit();
    expect(await store.prune({ maxCount: 0 })).toBe(1);
    expect(await left()).toEqual([0]);
  });

  it('removes more than fits one batch, beside others that prune and work', async () => {
    await fill(Array.from({ length: 1_000 }, (_, at) => ({ status: 'completed' as const, age: 2_000 - at })));
    const prunes = Promise.all([store.prune({ maxCount: 10 }), store.prune({ maxCount: 10 })]);
    const tx = db.transaction();
    store.add(tx, unsignedCapsule(capsuleId(5_000)), pendingRecord(capsuleId(5_000)));
    await tx.commit();
    const removed = await prunes;
    expect(removed[0] + removed[1]).toBe(990);
    expect(await left()).toEqual([...Array.from({ length: 10 }, (_, at) => 990 + at), 5_000]);
    expect(await store.counts()).toMatchObject({ pending: 1, completed: 10 });
  });
});
