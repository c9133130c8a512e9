import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keyspace } from '../../src/store/keyspaces.ts';
import type { Database, Keyspace, ScanRange } from '../../src/store/types.ts';
import { memoryTestDatabase, openTestDatabase } from '../support/database.ts';

const left = keyspace<unknown>('capabilityStorage');
const right = keyspace<unknown>('permissions');

const implementations: Record<string, () => Promise<{ db: Database; close: () => Promise<void> }>> = {
  level: openTestDatabase,
  memory: async () => {
    const db = memoryTestDatabase();
    return { db, close: () => db.close() };
  },
};

async function put(db: Database, space: Keyspace<unknown>, values: Record<string, unknown>): Promise<void> {
  const tx = db.transaction();
  for (const [key, value] of Object.entries(values)) tx.put(space, key, value);
  await tx.commit();
}

async function keysOf(db: Database, space: Keyspace<unknown>, range: ScanRange = {}): Promise<string[]> {
  const keys: string[] = [];
  for await (const [key] of db.scan(space, range)) keys.push(key);
  return keys;
}

describe.each(Object.entries(implementations))('Database on %s', (_name, open) => {
  let db: Database;
  let close: () => Promise<void>;
  beforeEach(async () => {
    ({ db, close } = await open());
  });
  afterEach(() => close());

  it('gives back every kind of JSON value', async () => {
    const values = {
      nothing: null,
      no: false,
      zero: 0,
      text: 'é😀\u0000',
      list: [1, [2]],
      object: { a: { b: 1 } },
      empty: '',
    };
    await put(db, left, values);
    for (const [key, value] of Object.entries(values)) expect(db.get(left, key)).toEqual(value);
    expect(db.get(left, 'unknown')).toBeUndefined();
  });

  it('shows a commit at once, before it is durable', async () => {
    const tx = db.transaction();
    tx.put(left, 'a', 1);
    expect(db.get(left, 'a')).toBeUndefined();
    const durable = tx.commit();
    expect(db.get(left, 'a')).toBe(1);
    await durable;
    expect(db.get(left, 'a')).toBe(1);
  });

  it('reads its own writes first', async () => {
    await put(db, left, { a: 1, b: 1 });
    const tx = db.transaction();
    tx.put(left, 'a', 2);
    tx.delete(left, 'b');
    expect([tx.get(left, 'a'), tx.get(left, 'b')]).toEqual([2, undefined]);
    expect([db.get(left, 'a'), db.get(left, 'b')]).toEqual([1, 1]);
    const durable = tx.commit();
    expect([db.get(left, 'a'), db.get(left, 'b')]).toEqual([2, undefined]);
    await durable;
    expect([db.get(left, 'a'), db.get(left, 'b')]).toEqual([2, undefined]);
  });

  it('drops a transaction that is never committed', async () => {
    db.transaction().put(left, 'a', 1);
    await db.flushed();
    expect(await keysOf(db, left)).toEqual([]);
  });

  it('takes the value as it was when it was put, and gives out copies', async () => {
    const value = { list: [1] };
    const tx = db.transaction();
    tx.put(left, 'a', value);
    value.list.push(2);
    const durable = tx.commit();
    const copy = keyspace<{ list: number[] }>('capabilityStorage');
    db.get(copy, 'a')?.list.push(3);
    expect(db.get(left, 'a')).toEqual({ list: [1] });
    await durable;
    db.get(copy, 'a')?.list.push(4);
    expect(db.get(left, 'a')).toEqual({ list: [1] });
  });

  it('refuses a value that is not JSON, and a key that has no bytes', () => {
    const tx = db.transaction();
    expect(() => tx.put(left, 'a', undefined)).toThrow(TypeError);
    expect(() => tx.put(left, '\ud800', 1)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
  });

  it('is committed once', async () => {
    const tx = db.transaction();
    tx.put(left, 'a', 1);
    await tx.commit();
    await expect(tx.commit()).rejects.toThrow('committed already');
    expect(() => tx.put(left, 'b', 1)).toThrow('committed already');
  });

  it('refuses a commit whose reads another one has changed, and applies nothing of it', async () => {
    await put(db, left, { counter: 1 });
    const stale = db.transaction();
    stale.put(left, 'counter', Number(stale.get(left, 'counter')) + 1);
    stale.put(left, 'other', 1);
    await put(db, left, { counter: 10 });
    await expect(stale.commit()).rejects.toMatchObject({ code: 'conflict' });
    expect([db.get(left, 'counter'), db.get(left, 'other')]).toEqual([10, undefined]);
  });

  it('accepts a commit beside others that touched nothing it had read', async () => {
    await put(db, left, { a: 1 });
    const tx = db.transaction();
    tx.put(left, 'sum', Number(tx.get(left, 'a')) + 1);
    expect(tx.get(left, 'absent')).toBeUndefined();
    await put(db, left, { b: 1 });
    await tx.commit();
    expect(db.get(left, 'sum')).toBe(2);
  });

  it('keeps keyspaces apart', async () => {
    await put(db, left, { a: 'left' });
    await put(db, right, { a: 'right', z: 'right' });
    const tx = db.transaction();
    tx.delete(right, 'a');
    await tx.commit();
    expect(db.get(left, 'a')).toBe('left');
    expect(await keysOf(db, left)).toEqual(['a']);
    expect(await keysOf(db, right)).toEqual(['z']);
  });

  it('scans in order, within bounds, backwards, and no further than asked', async () => {
    await put(db, left, { d: 4, b: 2, a: 1, c: 3 });
    await put(db, right, { b: 9 });
    expect(await keysOf(db, left)).toEqual(['a', 'b', 'c', 'd']);
    expect(await keysOf(db, left, { gte: 'b', lt: 'd' })).toEqual(['b', 'c']);
    expect(await keysOf(db, left, { gt: 'b', lte: 'd' })).toEqual(['c', 'd']);
    expect(await keysOf(db, left, { reverse: true })).toEqual(['d', 'c', 'b', 'a']);
    expect(await keysOf(db, left, { reverse: true, lt: 'd', limit: 2 })).toEqual(['c', 'b']);
    expect(await keysOf(db, left, { gte: 'x' })).toEqual([]);
  });

  it('orders keys by their bytes', async () => {
    // By UTF-16 units the last two would change places.
    await put(db, left, { '\u{1f600}': 1, '\uffee': 1, é: 1, z: 1 });
    expect(await keysOf(db, left)).toEqual(['z', 'é', '\uffee', '\u{1f600}']);
  });

  it('scans what is committed and not durable yet, and stays with what it began on', async () => {
    const tx = db.transaction();
    for (let key = 0; key < 500; key++) tx.put(left, String(key).padStart(3, '0'), key);
    void tx.commit();
    let seen = 0;
    for await (const [key] of db.scan(left, {})) {
      if (seen++ === 0) await put(db, left, { '499': 'changed', '999': 'new' });
      expect(key).not.toBe('999');
    }
    expect(seen).toBe(500);
  });

  it('begins scans of one tick on the same state', async () => {
    const scans = [left, right].map((space) => db.scan(space, {})[Symbol.asyncIterator]());
    const tx = db.transaction();
    tx.put(left, 'a', 1);
    tx.put(right, 'a', 1);
    const durable = tx.commit();
    const first = await Promise.all(scans.map((scan) => scan.next()));
    expect(new Set(first.map(({ done }) => done)).size).toBe(1);
    await durable;
  });

  it('makes everything durable that was committed before flushed() was called', async () => {
    const order: string[] = [];
    for (const key of ['a', 'b', 'c']) void put(db, left, { [key]: 1 }).then(() => order.push(key));
    await db.flushed().then(() => order.push('flushed'));
    await Promise.resolve();
    expect([...order].sort()).toEqual(['a', 'b', 'c', 'flushed']);
  });

  it('finishes what was committed when it closes, and refuses afterwards', async () => {
    const tx = db.transaction();
    tx.put(left, 'a', 1);
    const durable = tx.commit();
    const late = db.transaction();
    late.put(left, 'b', 1);
    await Promise.all([db.close(), db.close(), durable]);
    await expect(late.commit()).rejects.toMatchObject({ code: 'storage_failed' });
    expect(() => db.get(left, 'unknown')).toThrow(expect.objectContaining({ code: 'storage_failed' }));
    await expect(keysOf(db, left)).rejects.toMatchObject({ code: 'storage_failed' });
  });
});
