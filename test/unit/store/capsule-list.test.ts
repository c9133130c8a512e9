import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DatabaseCapsuleStore } from '../../../src/store/capsule-store.ts';
import type { CapsuleRecord, Database, ListFilter, Page } from '../../../src/store/types.ts';
import { memoryTestDatabase, openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { capsuleId, pendingRecord, unsignedCapsule } from '../../support/stored-capsules.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const CAPSULES = 60;
const ORIGINS = ['a'.repeat(64), 'b'.repeat(64)] as const;
const ROOT = capsuleId(0);

/** Every third a child of capsule 0, alternating origins, three capabilities (one a prefix of another). */
function recordOf(number: number): CapsuleRecord {
  const child = number > 0 && number % 3 === 0;
  return pendingRecord(capsuleId(number), {
    // Pairs share their time, so that the id decides.
    receivedAt: 1_000 + Math.floor(number / 2),
    status: (['pending', 'executing', 'completed', 'failed'] as const)[number % 4] ?? 'pending',
    originIdentity: ORIGINS[number % 2] ?? ORIGINS[0],
    requestedCapability: ['text.stats', 'text.stats-more', 'ai.chat'][number % 3] ?? 'ai.chat',
    ...(child && { parentCapsule: ROOT, root: ROOT, chainDepth: 1 }),
  });
}

async function fill(db: Database): Promise<DatabaseCapsuleStore> {
  const store = new DatabaseCapsuleStore({ db, clock: new VirtualClock() });
  const tx = db.transaction();
  // Stored in another order than they are listed in.
  for (let step = 0; step < CAPSULES; step++) {
    const number = (step * 7) % CAPSULES;
    store.add(tx, unsignedCapsule(capsuleId(number)), recordOf(number));
  }
  await tx.commit();
  return store;
}

describe('listing capsules', () => {
  let test: TestDatabase;
  let store: DatabaseCapsuleStore;
  beforeAll(async () => {
    test = await openTestDatabase();
    store = await fill(test.db);
  });
  afterAll(() => test.close());

  const all = Array.from({ length: CAPSULES }, (_, number) => recordOf(number)).reverse();

  async function walk(turn: (cursor?: string) => Promise<Page<CapsuleRecord>>): Promise<CapsuleRecord[][]> {
    const pages: CapsuleRecord[][] = [];
    let cursor: string | undefined;
    do {
      const page = await turn(cursor);
      pages.push(page.items);
      cursor = page.cursor ?? undefined;
    } while (cursor !== undefined);
    return pages;
  }
  const pagesOf = (filter: ListFilter) =>
    walk((cursor) => store.list({ ...filter, ...(cursor !== undefined && { cursor }) }));
  const ids = (records: CapsuleRecord[]) => records.map(({ id }) => id);

  const filters: ListFilter[] = [
    {},
    { status: 'pending' },
    { status: 'failed' },
    { requestedCapability: 'text.stats' },
    { requestedCapability: 'ai.chat', status: 'completed' },
    { originIdentity: ORIGINS[1] },
    { originIdentity: ORIGINS[1], status: 'executing', requestedCapability: 'ai.chat' },
    { root: ROOT },
    { root: ROOT, status: 'pending' },
    { parentCapsule: ROOT, originIdentity: ORIGINS[0] },
    { parentCapsule: capsuleId(5) },
  ];
  it.each(filters)('gives what matches %j, newest first, in pages of any size', async (filter) => {
    const expected = all.filter((record) =>
      Object.entries(filter).every(([name, value]) => record[name as keyof CapsuleRecord] === value),
    );
    for (const limit of [1, 7, expected.length || 1, 500]) {
      const pages = await pagesOf({ ...filter, limit });
      expect(ids(pages.flat())).toEqual(ids(expected));
      expect(pages).toHaveLength(Math.max(1, Math.ceil(expected.length / limit)));
    }
  });

  it('gives 50 where no limit is asked for, and keeps to sensible ones', async () => {
    expect((await store.list({})).items).toHaveLength(50);
    expect((await store.list({ limit: 0 })).items).toHaveLength(1);
    expect((await store.list({ limit: 1_000_000 })).items).toHaveLength(CAPSULES);
  });

  it('gives the roots of workflows in pages', async () => {
    const pages = await walk((cursor) =>
      store.listRoots({ limit: 9, ...(cursor !== undefined && { cursor }) }),
    );
    expect(ids(pages.flat())).toEqual(ids(all.filter(({ parentCapsule }) => parentCapsule === null)));
  });

  it.each(['', 'x', '12', `${'9'.repeat(16)}`, `${'0'.repeat(16)}\u0000`, '../../etc/passwd'])(
    'refuses the cursor %j',
    async (cursor) => {
      await expect(store.list({ cursor })).rejects.toMatchObject({ code: 'invalid_request' });
      await expect(store.listRoots({ cursor })).rejects.toMatchObject({ code: 'invalid_request' });
    },
  );

  it('keeps its place while capsules come and go', async () => {
    const db = memoryTestDatabase();
    const changing = await fill(db);
    const first = await changing.list({ limit: 10 });
    const tx = db.transaction();
    changing.add(tx, unsignedCapsule(capsuleId(999)), pendingRecord(capsuleId(999), { receivedAt: 9_999 }));
    const last = first.items.at(-1)?.id ?? '';
    if (changing.record(last)?.status !== 'completed') changing.setStatus(tx, last, 'failed');
    changing.remove(tx, last);
    await tx.commit();
    const second = await changing.list({ limit: 10, cursor: first.cursor ?? '' });
    expect(ids(second.items)).toEqual(ids(all.slice(10, 20)));
  });

  it('stops looking after so many, and goes on from there', async () => {
    const db = memoryTestDatabase();
    const large = new DatabaseCapsuleStore({ db, clock: new VirtualClock() });
    const tx = db.transaction();
    for (let number = 0; number <= 6_000; number++) {
      const wanted = number === 0 ? ORIGINS[1] : ORIGINS[0];
      const record = pendingRecord(capsuleId(number), { receivedAt: number, originIdentity: wanted });
      large.add(tx, unsignedCapsule(capsuleId(number)), record);
    }
    await tx.commit();
    const first = await large.list({ originIdentity: ORIGINS[1] });
    expect(first.items).toEqual([]);
    const second = await large.list({ originIdentity: ORIGINS[1], cursor: first.cursor ?? '' });
    expect(ids(second.items)).toEqual([ROOT]);
    expect(second.cursor).toBeNull();
  });
});
