import { beforeEach, describe, expect, it } from 'vitest';
import { BufferedDatabase } from '../../../src/store/buffered-database.ts';
import { DatabaseCapsuleStore } from '../../../src/store/capsule-store.ts';
import { KEYSPACE_IDS, type KeyspaceName, keyspace } from '../../../src/store/keyspaces.ts';
import { MemoryDisk } from '../../../src/store/memory-disk.ts';
import {
  CAPSULE_STATUSES,
  type CapsuleRecord,
  type CapsuleStatus,
  type StoredResult,
  type Transaction,
} from '../../../src/store/types.ts';
import { silentLog } from '../../support/database.ts';
import { capsuleId, pendingRecord, unsignedCapsule } from '../../support/stored-capsules.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const ID = capsuleId(1);

class CountingDisk extends MemoryDisk {
  reads = 0;
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
  steps: [],
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
  let store: DatabaseCapsuleStore;
  beforeEach(() => {
    disk = new CountingDisk();
    db = new BufferedDatabase({ disk, log: silentLog });
    clock = new VirtualClock();
    store = new DatabaseCapsuleStore({ db, clock });
  });

  async function within<T>(stage: (tx: Transaction) => T): Promise<T> {
    const tx = db.transaction();
    const value = stage(tx);
    await tx.commit();
    return value;
  }

  function add(id: string, fields: Partial<CapsuleRecord> = {}): Promise<boolean> {
    return within((tx) => store.add(tx, unsignedCapsule(id), pendingRecord(id, fields)));
  }

  async function rowsIn(name: KeyspaceName): Promise<number> {
    let rows = 0;
    for await (const _ of db.scan(keyspace(name), {})) rows++;
    return rows;
  }

  it('adds a capsule once', async () => {
    expect(await add(ID)).toBe(true);
    expect(store.get(ID)).toEqual(unsignedCapsule(ID));
    expect(store.record(ID)).toMatchObject({ id: ID, status: 'pending', history: [{ status: 'pending' }] });
    expect(await add(ID, { requestedCapability: 'ai.chat' })).toBe(false);
    expect(store.record(ID)?.requestedCapability).toBe('text.stats');
    expect(await store.counts()).toEqual({ pending: 1, announced: 0, executing: 0, completed: 0, failed: 0 });
  });

  it('shows staged writes to the transaction and to nobody else', () => {
    const tx = db.transaction();
    store.add(tx, unsignedCapsule(ID), pendingRecord(ID));
    store.putResult(tx, ID, failedResult);
    expect(store.record(ID, tx)?.status).toBe('pending');
    expect(store.result(ID, tx)).toEqual(failedResult);
    expect([store.get(ID), store.record(ID), store.result(ID)]).toEqual([undefined, undefined, undefined]);
  });

  const arrows: Record<CapsuleStatus, CapsuleStatus[]> = {
    pending: ['announced', 'executing', 'failed'],
    announced: ['executing', 'failed'],
    executing: ['announced', 'completed', 'failed'],
    completed: [],
    failed: [],
  };
  const pairs = CAPSULE_STATUSES.flatMap((from) => CAPSULE_STATUSES.map((to) => ({ from, to })));
  it.each(pairs)('lets $from become $to only where the lifecycle has that arrow', async ({ from, to }) => {
    await add(ID, { status: from });
    const transition = within((tx) => store.setStatus(tx, ID, to));
    if (arrows[from].includes(to)) {
      await expect(transition).resolves.toMatchObject({ status: to });
      expect(store.record(ID)?.status).toBe(to);
      expect((await store.list({ status: to })).items).toHaveLength(1);
      expect((await store.list({ status: from })).items).toHaveLength(0);
      expect(await store.counts()).toMatchObject({ [from]: 0, [to]: 1 });
    } else {
      await expect(transition).rejects.toMatchObject({ code: 'conflict' });
      expect(store.record(ID)?.status).toBe(from);
      expect(await store.counts()).toMatchObject({ [from]: 1 });
    }
  });

  it('keeps what a transition sets, when it was, and what was said about it', async () => {
    await add(ID);
    await clock.advance(1_000);
    await within((tx) =>
      store.setStatus(tx, ID, 'executing', {
        executor: 'there',
        epoch: 1,
        attempts: 1,
        note: 'assigned to there',
      }),
    );
    await clock.advance(1_000);
    await within((tx) => store.update(tx, ID, { receiptHash: 'f'.repeat(64) }));
    await within((tx) => store.update(tx, ID, { epoch: 2, note: 'renewed' }));
    const at = pendingRecord(ID).receivedAt;
    expect(store.record(ID)).toMatchObject({
      status: 'executing',
      executor: 'there',
      epoch: 2,
      attempts: 1,
      receiptHash: 'f'.repeat(64),
      receivedAt: at,
      updatedAt: at + 2_000,
      history: [
        { at, status: 'pending' },
        { at: at + 1_000, status: 'executing', note: 'assigned to there' },
        { at: at + 2_000, status: 'executing', note: 'renewed' },
      ],
    });
    expect(store.record(ID)).not.toHaveProperty('note');
  });

  it('keeps the first and the newest entries of a long history', async () => {
    await add(ID);
    for (let turn = 0; turn < 50; turn++)
      await within((tx) => store.update(tx, ID, { note: `turn ${turn}` }));
    const history = store.record(ID)?.history ?? [];
    expect(history).toHaveLength(32);
    expect(history[0]).not.toHaveProperty('note');
    expect(history[1]?.note).toBe('turn 19');
    expect(history.at(-1)?.note).toBe('turn 49');
  });

  it('refuses transitions, changes, results and removal of what is unknown', () => {
    const tx = db.transaction();
    const unknown = expect.objectContaining({ code: 'not_found' });
    expect(() => store.setStatus(tx, ID, 'executing')).toThrow(unknown);
    expect(() => store.update(tx, ID, { epoch: 1 })).toThrow(unknown);
    expect(() => store.putResult(tx, ID, failedResult)).toThrow(unknown);
    expect(() => store.remove(tx, ID)).toThrow(unknown);
  });

  it('accepts no change after the end', async () => {
    await add(ID, { status: 'failed' });
    const tx = db.transaction();
    expect(() => store.update(tx, ID, { note: 'too late' })).toThrow(
      expect.objectContaining({ code: 'conflict' }),
    );
  });

  it('keeps one result, and accepts the same again with what arrived since', async () => {
    await add(ID, { status: 'failed' });
    const settlement = {
      receiptHash: capsuleId(2),
      amount: 1,
      payer: capsuleId(3),
      payee: capsuleId(4),
      signature: '0'.repeat(128),
    };
    await within((tx) => store.putResult(tx, ID, failedResult));
    await within((tx) => store.putResult(tx, ID, { ...failedResult, settlement }));
    expect(store.result(ID)?.settlement).toEqual(settlement);
    const other = { ...failedResult, receipt: receiptWith(capsuleId(5)) };
    expect(() => store.putResult(db.transaction(), ID, other)).toThrow(
      expect.objectContaining({ code: 'conflict' }),
    );
  });

  it('removes an ended capsule with all that belongs to it, and nothing before', async () => {
    const other = capsuleId(2);
    await add(other, { status: 'failed' });
    await add(ID, { status: 'executing', parentCapsule: other, root: other });
    await within((tx) => {
      for (const name of ['decisions', 'leases'] as const) tx.put(keyspace<unknown>(name), ID, {});
      expect(() => store.remove(tx, ID)).toThrow(expect.objectContaining({ code: 'conflict' }));
      store.setStatus(tx, ID, 'completed');
      store.putResult(tx, ID, failedResult);
    });
    await within((tx) => store.remove(tx, ID));
    await within((tx) => store.remove(tx, other));
    const left: string[] = [];
    for (const name of Object.keys(KEYSPACE_IDS) as KeyspaceName[])
      if ((await rowsIn(name)) > 0) left.push(name);
    expect(left).toEqual(['capsuleCounts']);
    expect(Object.values(await store.counts())).toEqual([0, 0, 0, 0, 0]);
  });

  it('does not remove a capsule whose result waits for its delivery', async () => {
    await add(ID, { status: 'completed' });
    await within((tx) => tx.put(keyspace<unknown>('outbox'), ID, {}));
    expect(() => store.remove(db.transaction(), ID)).toThrow(expect.objectContaining({ code: 'conflict' }));
  });

  it('walks what has not ended, oldest first, whatever its status', async () => {
    const statuses: CapsuleStatus[] = ['executing', 'pending', 'completed', 'announced', 'failed', 'pending'];
    for (const [at, status] of statuses.entries()) await add(capsuleId(9 - at), { status, receivedAt: at });
    const walked: string[] = [];
    for await (const record of store.unfinished()) {
      walked.push(record.status);
      // What ends while the walk goes on is left out; what moves is met once.
      if (walked.length === 1) {
        await within((tx) => {
          store.setStatus(tx, capsuleId(9 - 3), 'failed');
          store.setStatus(tx, capsuleId(9 - 5), 'announced');
        });
      }
    }
    expect(walked).toEqual(['executing', 'pending', 'announced']);
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
