import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DatabaseCapsuleStore } from '../../../src/store/capsule-store.ts';
import type { CapsuleRow, Database, ListFilter, Page } from '../../../src/store/types.ts';
import { memoryTestDatabase, openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { addCapsule, capsuleId, pendingRow, unsignedCapsule } from '../../support/stored-capsules.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const CAPSULES = 60;
const ORIGINS = ['a'.repeat(64), 'b'.repeat(64)] as const;
const ROOT = capsuleId(0);

/** Whether this node continued capsule 0, and so knows its steps, or only executed some of them. */
type Knows = 'continued here' | 'continued elsewhere';

/** Every third a child of capsule 0, alternating origins, three capabilities (one a prefix of another). */
function rowOf(number: number, knows: Knows = 'continued elsewhere'): CapsuleRow<null> {
  const isChild = (each: number): boolean => each > 0 && each % 3 === 0;
  const child = isChild(number);
  const children = Array.from({ length: CAPSULES }, (_, each) => each).filter(isChild);
  return pendingRow(capsuleId(number), {
    ...(number === 0 &&
      knows === 'continued here' && {
        // In the order of the steps, with one that has no child and one whose child is not here.
        steps: [null, capsuleId(9_999), ...children.map(capsuleId)].map((id) => ({ child: id, error: null })),
      }),
    // Pairs share their time, so that the id decides.
    receivedAt: 1_000 + Math.floor(number / 2),
    status: (['pending', 'executing', 'completed', 'failed'] as const)[number % 4] ?? 'pending',
    originIdentity: ORIGINS[number % 2] ?? ORIGINS[0],
    requestedCapability: ['text.stats', 'text.stats-more', 'ai.chat'][number % 3] ?? 'ai.chat',
    ...(child && { parentCapsule: ROOT, root: ROOT, chainDepth: 1 }),
  });
}

async function fill(db: Database, knows?: Knows): Promise<DatabaseCapsuleStore<null>> {
  const store = await DatabaseCapsuleStore.open<null>({ db, clock: new VirtualClock() });
  const tx = db.transaction();
  // Stored in another order than they are listed in.
  for (let step = 0; step < CAPSULES; step++) {
    const number = (step * 7) % CAPSULES;
    addCapsule(store, tx, unsignedCapsule(capsuleId(number)), rowOf(number, knows));
  }
  await tx.commit();
  return store;
}

describe.each<Knows>(['continued here', 'continued elsewhere'])('listing capsules, %s,', (knows) => {
  let test: TestDatabase;
  let store: DatabaseCapsuleStore<null>;
  beforeAll(async () => {
    test = await openTestDatabase();
    store = await fill(test.db, knows);
  });
  afterAll(() => test.close());

  it('finds by the beginning of an id, and by its end', async () => {
    const [whole] = [capsuleId(7)];
    for (const id of [whole, whole.slice(0, 63), `…${whole.slice(-4)}`]) {
      const { items } = await store.list({ id });
      expect(items.map((row) => row.id)).toContain(whole);
      const text = id.replace('…', '');
      for (const row of items)
        expect(id === text ? row.id.startsWith(text) : row.id.endsWith(text)).toBe(true);
    }
    expect((await store.list({ id: whole, status: 'pending' })).items).toEqual([]);
    expect((await store.list({ id: 'e0e0e0e0' })).items).toEqual([]);
  });

  const all = Array.from({ length: CAPSULES }, (_, number) => rowOf(number, knows)).reverse();

  async function walk(turn: (cursor?: string) => Promise<Page<CapsuleRow>>): Promise<CapsuleRow[][]> {
    const pages: CapsuleRow[][] = [];
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
  const ids = (rows: CapsuleRow[]) => rows.map(({ id }) => id);

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
    const expected = all.filter((row) =>
      Object.entries(filter).every(([name, value]) => row[name as keyof CapsuleRow] === value),
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
    const changing = await fill(db, knows);
    const first = await changing.list({ limit: 10 });
    const tx = db.transaction();
    addCapsule(
      changing,
      tx,
      unsignedCapsule(capsuleId(999)),
      pendingRow(capsuleId(999), { receivedAt: 9_999 }),
    );
    const last = first.items.at(-1)?.id ?? '';
    const row = changing.row(last);
    if (row !== undefined) changing.put(tx, { ...row, status: 'completed', open: false });
    changing.remove(tx, last);
    await tx.commit();
    const second = await changing.list({ limit: 10, cursor: first.cursor ?? '' });
    expect(ids(second.items)).toEqual(ids(all.slice(10, 20)));
  });

  it('stops looking after so many, and goes on from there', async () => {
    const db = memoryTestDatabase();
    const large = await DatabaseCapsuleStore.open<null>({ db, clock: new VirtualClock() });
    const tx = db.transaction();
    for (let number = 0; number <= 6_000; number++) {
      const wanted = number === 0 ? ORIGINS[1] : ORIGINS[0];
      const row = pendingRow(capsuleId(number), { receivedAt: number, originIdentity: wanted });
      addCapsule(large, tx, unsignedCapsule(capsuleId(number)), row);
    }
    await tx.commit();
    const first = await large.list({ originIdentity: ORIGINS[1] });
    expect(first.items).toEqual([]);
    const second = await large.list({ originIdentity: ORIGINS[1], cursor: first.cursor ?? '' });
    expect(ids(second.items)).toEqual([ROOT]);
    expect(second.cursor).toBeNull();
  });
});
