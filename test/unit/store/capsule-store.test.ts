import { beforeEach, describe, expect, it } from 'vitest';
import { BufferedDatabase } from '../../../src/store/buffered-database.ts';
import { DatabaseCapsuleStore } from '../../../src/store/capsule-store.ts';
import type { Write } from '../../../src/store/disk.ts';
import { KEYSPACE_IDS, type KeyspaceName, keyspace } from '../../../src/store/keyspaces.ts';
import { appendHistory } from '../../../src/store/lifecycle.ts';
import { MemoryDisk } from '../../../src/store/memory-disk.ts';
import {
  CAPSULE_STATUSES,
  type CapsuleRow,
  type HistoryEntry,
  type StoredResult,
  type Transaction,
} from '../../../src/store/types.ts';
import { silentLog } from '../../support/database.ts';
import { addCapsule, capsuleId, pendingRow, unsignedCapsule } from '../../support/stored-capsules.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const ID = capsuleId(1);

class CountingDisk extends MemoryDisk {
  reads = 0;
  keys: string[] = [];
  override write(writes: Write[]): Promise<void> {
    this.keys.push(...writes.map(({ key }) => key));
    return super.write(writes);
  }
  override get(key: string): string | undefined {
    this.reads++;
    return super.get(key);
  }
}

const failedResult: StoredResult = {
  result: null,
  receipt: null,
  assignment: null,
  settlement: null,
};

const settlement = {
  receiptHash: capsuleId(2),
  amount: 1,
  payer: capsuleId(3),
  payee: capsuleId(4),
  signature: '0'.repeat(128),
};

function receiptWith(receiptHash: string): NonNullable<StoredResult['receipt']> {
  const zeros = '0'.repeat(64);
  return {
    version: 1,
    capsuleId: ID,
    identity: 'b'.repeat(64),
    capabilityId: 'text.stats',
    codeHash: null,
    action: 'stats',
    inputHash: zeros,
    resultHash: zeros,
    status: 'completed',
    error: null,
    lease: null,
    epoch: 1,
    charge: null,
    execution: null,
    permissionsDeclared: [],
    permissionsUsed: [],
    startedAt: 1,
    finishedAt: 2,
    previousStateRoot: zeros,
    nextStateRoot: zeros,
    previousReceiptHash: zeros,
    receiptHash,
    signature: '0'.repeat(128),
  };
}

describe('DatabaseCapsuleStore', () => {
  let disk: CountingDisk;
  let db: BufferedDatabase;
  let clock: VirtualClock;
  let store: DatabaseCapsuleStore<null>;
  beforeEach(async () => {
    disk = new CountingDisk();
    clock = new VirtualClock();
    db = new BufferedDatabase({ disk, log: silentLog, clock });
    store = await DatabaseCapsuleStore.open({ db, clock });
  });

  async function within<T>(stage: (tx: Transaction) => T): Promise<T> {
    const tx = db.transaction();
    const value = stage(tx);
    await tx.commit();
    return value;
  }

  function add(id: string, fields: Partial<CapsuleRow<null>> = {}): Promise<boolean> {
    return within((tx) => addCapsule(store, tx, unsignedCapsule(id), pendingRow(id, fields)));
  }

  function put(id: string, fields: Partial<CapsuleRow<null>>): Promise<void> {
    return within((tx) => store.put(tx, { ...(store.row(id, tx) ?? pendingRow(id)), ...fields }));
  }

  async function rowsIn(name: KeyspaceName): Promise<number> {
    let rows = 0;
    for await (const _ of db.scan(keyspace(name), {})) rows++;
    return rows;
  }

  /** Keys that a commit put or deleted. */
  async function written(stage: (tx: Transaction) => unknown): Promise<string[]> {
    await db.flushed();
    disk.keys = [];
    await within(stage);
    return disk.keys;
  }

  it('adds a capsule once', async () => {
    expect(await add(ID)).toBe(true);
    expect(store.get(ID)).toEqual(unsignedCapsule(ID));
    expect(store.row(ID)).toEqual(pendingRow(ID));
    expect(await add(ID, { requestedCapability: 'ai.chat' })).toBe(false);
    expect(store.row(ID)?.requestedCapability).toBe('text.stats');
    expect(store.counts()).toEqual({ pending: 1, announced: 0, executing: 0, completed: 0, failed: 0 });
  });

  it('shows staged writes to the transaction and to nobody else', () => {
    const tx = db.transaction();
    addCapsule(store, tx, unsignedCapsule(ID), pendingRow(ID));
    store.putResult(tx, ID, failedResult);
    store.put(tx, pendingRow(ID, { status: 'executing' }));
    expect(store.row(ID, tx)?.status).toBe('executing');
    expect(store.result(ID, tx)).toEqual(failedResult);
    expect([store.get(ID), store.row(ID), store.result(ID)]).toEqual([undefined, undefined, undefined]);
    expect(store.counts()).toMatchObject({ pending: 0, executing: 0 });
    void tx.commit();
    expect(store.counts()).toMatchObject({ pending: 0, executing: 1 });
  });

  it('counts nothing of a commit that was refused', async () => {
    await add(ID);
    const stale = db.transaction();
    store.put(stale, pendingRow(ID, { status: 'executing' }));
    await put(ID, { epoch: 1 });
    await expect(stale.commit()).rejects.toMatchObject({ code: 'conflict' });
    expect(store.counts()).toMatchObject({ pending: 1, executing: 0 });
  });

  const pairs = CAPSULE_STATUSES.flatMap((from) => CAPSULE_STATUSES.map((to) => ({ from, to })));
  // What an executor failed at it may run again, under another lease.
  it.each(pairs)('lets $from become $to unless $from is terminal', async ({ from, to }) => {
    await add(ID, { status: from });
    const transition = put(ID, { status: to });
    const final = from === 'completed' || (from === 'failed' && to !== 'executing');
    if (final && from !== to) {
      await expect(transition).rejects.toMatchObject({ code: 'conflict' });
      expect(store.row(ID)?.status).toBe(from);
    } else {
      await transition;
      expect(store.row(ID)?.status).toBe(to);
    }
    const now = final ? from : to;
    expect(store.counts()).toMatchObject({ [now]: 1 });
    expect((await store.list({ status: now })).items).toHaveLength(1);
    if (from !== to) expect((await store.list({ status: final ? to : from })).items).toHaveLength(0);
  });

  it('lets what else is known of an ended capsule change', async () => {
    await add(ID, { status: 'completed', open: true });
    await put(ID, { open: false, bytes: 5 });
    expect(store.row(ID)).toMatchObject({ open: false, bytes: 5 });
  });

  it('refuses another time of receipt, and numbers that its index cannot hold', async () => {
    await add(ID);
    await expect(put(ID, { receivedAt: 1 })).rejects.toMatchObject({ code: 'conflict' });
    for (const bytes of [-1, 0.5, Number.NaN]) {
      await expect(put(ID, { status: 'failed', open: false, bytes })).rejects.toThrow(RangeError);
    }
  });

  it('writes few rows over a life: the row of state at each step, all others once, its mark twice', async () => {
    const begun = await written((tx) => addCapsule(store, tx, unsignedCapsule(ID), pendingRow(ID)));
    expect(begun).toHaveLength(3);
    const assigned = await written((tx) => store.put(tx, pendingRow(ID, { status: 'executing' })));
    expect(assigned).toHaveLength(1);
    const delivered = await written((tx) => {
      store.putResult(tx, ID, failedResult);
      store.put(tx, pendingRow(ID, { status: 'completed', open: false }));
    });
    expect(delivered).toHaveLength(3);
    const settled = await written((tx) => store.putSettlement(tx, ID, settlement));
    expect(settled).toHaveLength(1);
  });

  it('refuses changes, results, settlements and removal of what is unknown', () => {
    const tx = db.transaction();
    const unknown = expect.objectContaining({ code: 'not_found' });
    expect(() => store.put(tx, pendingRow(ID))).toThrow(unknown);
    expect(() => store.putSettlement(tx, ID, settlement)).toThrow(unknown);
    expect(() => store.remove(tx, ID)).toThrow(unknown);
  });

  it('keeps the completed result, and accepts the same again', async () => {
    await add(ID, { status: 'completed' });
    const done = { ...receiptWith(capsuleId(6)), status: 'completed' as const };
    // What failed before may be replaced.
    const length = await within((tx) => store.putResult(tx, ID, failedResult));
    expect(length).toBe(JSON.stringify(failedResult).length);
    await within((tx) => store.putResult(tx, ID, { ...failedResult, receipt: done }));
    await within((tx) => store.putResult(tx, ID, { ...failedResult, receipt: done, settlement }));
    expect(store.result(ID)?.settlement).toEqual(settlement);
    const other = { ...failedResult, receipt: receiptWith(capsuleId(5)) };
    expect(() => store.putResult(db.transaction(), ID, other)).toThrow(
      expect.objectContaining({ code: 'conflict' }),
    );
  });

  it('gives a result with the settlement that came later', async () => {
    await add(ID, { status: 'completed' });
    const charged = { ...failedResult, receipt: { ...receiptWith(capsuleId(2)), charge: 1 } };
    await within((tx) => store.putResult(tx, ID, charged));
    expect(store.result(ID)?.settlement).toBeNull();
    await within((tx) => store.putSettlement(tx, ID, settlement));
    expect(store.result(ID)).toEqual({ ...charged, settlement });
  });

  it('gives a new result as it was stored, and nothing of it once it is removed', async () => {
    await add(ID);
    await within((tx) => {
      store.putResult(tx, ID, failedResult);
      store.put(tx, pendingRow(ID, { status: 'failed', open: false }));
    });
    const other = await DatabaseCapsuleStore.open({ db, clock });
    expect(store.result(ID)).toEqual(other.result(ID));
    await within((tx) => store.remove(tx, ID));
    expect(store.result(ID)).toBeUndefined();
  });

  it('looks on the disk for nothing of a new capsule that cannot be there', async () => {
    await add(ID, { status: 'executing' });
    disk.reads = 0;
    await within((tx) => store.putResult(tx, ID, { ...failedResult, receipt: receiptWith(capsuleId(6)) }));
    expect(disk.reads).toBe(0);
    expect(store.result(ID)?.settlement).toBeNull();
    expect(disk.reads).toBe(0);
  });

  it('removes an ended capsule with all that belongs to it, but for its id, and nothing before', async () => {
    const other = capsuleId(2);
    await add(other, { status: 'failed' });
    await add(ID, { status: 'executing', parentCapsule: other, root: other });
    await within((tx) => {
      tx.put(keyspace<unknown>('decisions'), ID, {});
      expect(() => store.remove(tx, ID)).toThrow(expect.objectContaining({ code: 'conflict' }));
      store.put(tx, pendingRow(ID, { status: 'completed', open: true, parentCapsule: other, root: other }));
      expect(() => store.remove(tx, ID)).toThrow(expect.objectContaining({ code: 'conflict' }));
      store.put(tx, pendingRow(ID, { status: 'completed', parentCapsule: other, root: other }));
      store.putResult(tx, ID, failedResult);
      store.putSettlement(tx, ID, settlement);
    });
    await within((tx) => store.remove(tx, ID));
    await within((tx) => store.remove(tx, other));
    const left: string[] = [];
    for (const name of Object.keys(KEYSPACE_IDS) as KeyspaceName[])
      if ((await rowsIn(name)) > 0) left.push(name);
    expect(left).toEqual(['endedIds']);
    expect([store.ended.has(ID), store.ended.has(other), store.ended.has(capsuleId(3))]).toEqual([
      true,
      true,
      false,
    ]);
    expect(Object.values(store.counts())).toEqual([0, 0, 0, 0, 0]);
  });

  it('walks what is open, oldest first, whatever its status', async () => {
    const rows: Partial<CapsuleRow<null>>[] = [
      { status: 'executing' },
      { status: 'pending' },
      { status: 'completed' },
      { status: 'completed', open: true },
      { status: 'announced' },
      { status: 'failed' },
      { status: 'pending', open: false },
    ];
    for (const [at, fields] of rows.entries()) await add(capsuleId(9 - at), { ...fields, receivedAt: at });
    const walked: string[] = [];
    for await (const row of store.open()) {
      walked.push(row.status);
      // What ends while the walk goes on is left out; what moves is met once.
      if (walked.length === 1) {
        await put(capsuleId(9 - 4), { status: 'failed', open: false });
        await put(capsuleId(9 - 6), { status: 'announced' });
      }
    }
    expect(walked).toEqual(['executing', 'pending', 'completed', 'announced']);
  });

  it('counts at its opening what an earlier life stored', async () => {
    await add(capsuleId(1), { bytes: 10 });
    await add(capsuleId(2), { bytes: 20, status: 'completed', open: true, share: 'known' });
    await add(capsuleId(3), { bytes: 40, status: 'failed', share: 'stranger' });
    const again = await DatabaseCapsuleStore.open({ db, clock });
    expect(again.counts()).toEqual(store.counts());
    expect(again.usage()).toEqual({
      own: { capsules: 1, bytes: 10 },
      known: { capsules: 1, bytes: 20 },
      stranger: { capsules: 1, bytes: 40 },
    });
  });

  it('adds at the same cost however many are stored', async () => {
    const readsOfOneAdd = async (number: number) => {
      const before = disk.reads;
      await add(capsuleId(number));
      return disk.reads - before;
    };
    await add(capsuleId(1_000_000));
    const first = await readsOfOneAdd(0);
    for (let number = 1; number < 1_000; number++) await add(capsuleId(number));
    expect(await readsOfOneAdd(1_000)).toBe(first);
  });
});

describe('appendHistory', () => {
  it('keeps the first and the newest entries of a long history', () => {
    let history: HistoryEntry[] = [];
    for (let at = 0; at < 50; at++) history = appendHistory(history, { at, status: 'pending' });
    expect(history.map(({ at }) => at)).toEqual([0, ...Array.from({ length: 31 }, (_, each) => 19 + each)]);
  });
});
