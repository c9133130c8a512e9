import { beforeEach, describe, expect, it } from 'vitest';
import type { MeshError } from '../../../src/lib/errors.ts';
import { BufferedDatabase } from '../../../src/store/buffered-database.ts';
import { GroupCommit } from '../../../src/store/group-commit.ts';
import { keyspace } from '../../../src/store/keyspaces.ts';
import { silentLog } from '../../support/database.ts';
import { GatedDisk } from '../../support/gated-disk.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

const space = keyspace<number | string>('capabilityStorage');

describe('group commit', () => {
  let disk: GatedDisk;
  let db: BufferedDatabase;
  let clock: VirtualClock;
  let failures: MeshError[];
  beforeEach(() => {
    disk = new GatedDisk();
    failures = [];
    clock = new VirtualClock();
    db = new BufferedDatabase({ disk, log: silentLog, clock, onFailure: (error) => failures.push(error) });
  });

  function commit(key: string, value: number | string): Promise<void> {
    const tx = db.transaction();
    tx.put(space, key, value);
    return tx.commit();
  }
  const batchKeys = () => disk.batches.map((batch) => batch.map(({ key }) => key.slice(2)));

  it('puts commits of one tick into one batch, those of its promise callbacks included', async () => {
    void commit('a', 1);
    void commit('b', 1);
    void Promise.resolve().then(() => commit('c', 1));
    await settle();
    expect(batchKeys()).toEqual([['a', 'b', 'c']]);
  });

  it('puts everything that was committed during a write into the next, in order', async () => {
    const order: string[] = [];
    void commit('a', 1).then(() => order.push('a'));
    await settle();
    for (const key of ['b', 'c', 'd']) void commit(key, 1).then(() => order.push(key));
    await settle();
    expect(batchKeys()).toEqual([['a']]);
    expect(order).toEqual([]);
    disk.pass();
    await settle();
    expect(batchKeys()).toEqual([['a'], ['b', 'c', 'd']]);
    expect(order).toEqual(['a']);
    disk.pass();
    await settle();
    expect(order).toEqual(['a', 'b', 'c', 'd']);
  });

  it('lets a relaxed commit ride with the next one, visible before, in order', async () => {
    const relaxed = db.transaction();
    relaxed.put(space, 'a', 1);
    void relaxed.commit({ relaxed: true });
    await settle();
    expect(batchKeys()).toEqual([]);
    expect(db.get(space, 'a')).toBe(1);
    void commit('b', 1);
    await settle();
    expect(batchKeys()).toEqual([['a', 'b']]);
  });

  it('writes a relaxed commit that nobody follows, and at once where all is to be flushed', async () => {
    const alone = db.transaction();
    alone.put(space, 'a', 1);
    const durable = alone.commit({ relaxed: true });
    await clock.advance(10);
    disk.pass();
    await durable;
    const another = db.transaction();
    another.put(space, 'b', 1);
    void another.commit({ relaxed: true });
    void db.flushed();
    await settle();
    expect(batchKeys()).toEqual([['a'], ['b']]);
  });

  it('writes a row once per batch, as the last commit left it', async () => {
    void commit('head', 1);
    void commit('head', 2);
    await settle();
    expect(disk.batches).toEqual([[{ type: 'put', key: expect.any(String), value: '2' }]]);
  });

  it('keeps a newer write visible when an older one of the same row becomes durable', async () => {
    void commit('head', 1);
    await settle();
    void commit('head', 2);
    disk.pass();
    await settle();
    expect(db.get(space, 'head')).toBe(2);
    disk.pass();
    await settle();
    expect(db.get(space, 'head')).toBe(2);
  });

  it('splits what would be too large for one batch between two commits, never inside one', async () => {
    for (const key of ['a', 'b', 'c']) void commit(key, key.repeat(3 * 1_048_576));
    await settle();
    expect(batchKeys()).toEqual([['a']]);
    disk.pass();
    await settle();
    expect(batchKeys()).toEqual([['a'], ['b']]);
  });

  it('waits with a commit that wrote nothing for what it may have read', async () => {
    let durable = false;
    void commit('a', 1);
    void db
      .transaction()
      .commit()
      .then(() => {
        durable = true;
      });
    await settle();
    expect(durable).toBe(false);
    disk.pass();
    await settle();
    expect(durable).toBe(true);
  });

  it('rejects what was on its way, what waited and what comes later when a write fails, and says so once', async () => {
    const outcomes = [commit('a', 1)];
    await settle();
    outcomes.push(commit('b', 1), commit('c', 1), db.flushed());
    const settled = Promise.allSettled(outcomes);
    disk.fail(new Error('no space left on device'));
    for (const outcome of await settled) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'storage_failed' } });
    }
    await expect(commit('d', 1)).rejects.toMatchObject({ code: 'storage_failed' });
    expect(db.get(space, 'd')).toBeUndefined();
    expect(disk.batches).toHaveLength(1);
    expect(failures).toEqual([
      expect.objectContaining({
        code: 'storage_failed',
        message: expect.stringContaining('No room is left'),
        cause: new Error('no space left on device'),
      }),
    ]);
    await db.close();
  });

  it('refuses with busy when the disk is too far behind', async () => {
    const waiting = new GroupCommit({
      clock,
      write: (writes) => disk.write(writes),
      onDurable() {},
      onFailure() {},
    });
    const huge = (key: string) =>
      new Map([[key, { type: 'put' as const, key, value: 'x'.repeat(100 * 1_048_576) }]]);
    void waiting.add(huge('a'));
    void waiting.add(huge('b'));
    expect(() => waiting.add(huge('c'))).toThrow(expect.objectContaining({ code: 'busy' }));
    await settle();
    void waiting.add(huge('c'));
  });

  it('applies nothing of a commit that it refused as busy, which can be committed again', async () => {
    const large = 'x'.repeat(65 * 1_048_576);
    for (const key of ['a', 'b']) void commit(key, large);
    const tx = db.transaction();
    tx.put(space, 'd', Number(tx.get(space, 'd') ?? 0) + 1);
    tx.put(space, 'e', 1);
    await expect(tx.commit()).rejects.toMatchObject({ code: 'busy' });
    expect([db.get(space, 'd'), db.get(space, 'e')]).toEqual([undefined, undefined]);
    await settle();
    const durable = tx.commit();
    expect([db.get(space, 'd'), db.get(space, 'e')]).toEqual([1, 1]);
    for (let batch = 0; batch < 3; batch++) {
      disk.pass();
      await settle();
    }
    await durable;
    expect(batchKeys()).toEqual([['a'], ['b'], ['d', 'e']]);
  });

  it('takes what has happened already though the disk is too far behind, in its order, and counts it', async () => {
    const large = 'x'.repeat(65 * 1_048_576);
    for (const key of ['a', 'b']) void commit(key, large);
    await expect(commit('refused', 1)).rejects.toMatchObject({ code: 'busy' });
    const ran = db.transaction();
    ran.put(space, 'ran', large);
    const durable = ran.commit({ done: true });
    expect(db.get(space, 'ran')).toHaveLength(large.length);
    await settle();
    // Without the third, which is still on its way, this would be below the bound.
    await expect(commit('refused', 1)).rejects.toMatchObject({ code: 'busy' });
    for (let batch = 0; batch < 3; batch++) {
      disk.pass();
      await settle();
    }
    await durable;
    expect(batchKeys()).toEqual([['a'], ['b'], ['ran']]);
  });

  it('refuses also what has happened already once a write failed', async () => {
    const late = () => {
      const tx = db.transaction();
      tx.put(space, 'ran', 1);
      return tx.commit({ done: true });
    };
    const lost = commit('a', 1);
    await settle();
    disk.fail(new Error('no space left on device'));
    await expect(lost).rejects.toMatchObject({ code: 'storage_failed' });
    await expect(late()).rejects.toMatchObject({ code: 'storage_failed' });
    expect(db.get(space, 'ran')).toBeUndefined();
  });

  it('reads rows that are asked for again and again from the disk once', async () => {
    for (let turn = 0; turn < 10; turn++) expect(db.get(space, 'head')).toBeUndefined();
    void commit('head', 1);
    await settle();
    disk.pass();
    await settle();
    for (let turn = 0; turn < 10; turn++) expect(db.get(space, 'head')).toBe(1);
    expect(disk.reads).toBe(1);
  });
});
