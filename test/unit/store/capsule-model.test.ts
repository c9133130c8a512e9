import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DatabaseCapsuleStore } from '../../../src/store/capsule-store.ts';
import { isOpen } from '../../../src/store/lifecycle.ts';
import { CAPSULE_STATUSES, type CapsuleRow, SHARES } from '../../../src/store/types.ts';
import { memoryTestDatabase } from '../../support/database.ts';
import { addCapsule, capsuleId, pendingRow, unsignedCapsule } from '../../support/stored-capsules.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const number = fc.nat({ max: 9 });
const status = fc.constantFrom(...CAPSULE_STATUSES);
const share = fc.constantFrom(...SHARES);
const state = { number, status, share, open: fc.boolean(), bytes: fc.nat({ max: 100 }) };
const operation = fc.oneof(
  fc.record({ do: fc.constant('add' as const), at: fc.nat({ max: 5 }), ...state }),
  fc.record({ do: fc.constant('put' as const), ...state }),
  fc.record({ do: fc.constant('remove' as const), number }),
  fc.record({ do: fc.constant('prune' as const), keep: fc.nat({ max: 3 }) }),
  fc.record({ do: fc.constant('restart' as const) }),
);
/** Several operations in one transaction, which is dropped instead of committed now and then. */
const transaction = fc.record({ operations: fc.array(operation, { maxLength: 4 }), dropped: fc.boolean() });

type Model = Map<string, CapsuleRow<null>>;

describe('capsule store', () => {
  it('keeps counts, usage and lists in step with the rows, whatever is asked of it', async () => {
    const run = fc.asyncProperty(fc.array(transaction, { maxLength: 30 }), async (transactions) => {
      const components = { db: memoryTestDatabase(), clock: new VirtualClock() };
      let store = await DatabaseCapsuleStore.open<null>(components);
      let model: Model = new Map();
      for (const { operations, dropped } of transactions) {
        const next: Model = new Map(model);
        const tx = components.db.transaction();
        const later: (() => Promise<void>)[] = [];
        for (const step of operations) {
          if (step.do === 'prune') {
            later.push(async () => void (await store.prune({ maxCount: step.keep, strangerMaxAgeMs: 1e12 })));
            continue;
          }
          if (step.do === 'restart') {
            later.push(async () => {
              store = await DatabaseCapsuleStore.open<null>(components);
            });
            continue;
          }
          const id = capsuleId(step.number);
          const known = next.get(id);
          try {
            if (step.do === 'remove') {
              store.remove(tx, id);
              expect(known !== undefined && !isOpen(known)).toBe(true);
              next.delete(id);
              continue;
            }
            const { at, ...fields } = { at: known?.receivedAt ?? 0, ...step };
            const row = pendingRow(id, { ...rowFields(fields), receivedAt: at });
            if (step.do === 'put') store.put(tx, row);
            else expect(addCapsule(store, tx, unsignedCapsule(id), row)).toBe(known === undefined);
            if (step.do === 'put' || known === undefined) next.set(id, row);
          } catch (error) {
            expect(error).toMatchObject({ code: known === undefined ? 'not_found' : 'conflict' });
          }
        }
        if (!dropped) {
          void tx.commit();
          model = next;
        }
        for (const act of later) await act();
        for (const id of model.keys()) if (store.row(id) === undefined) model.delete(id);
        await expectInStep(store, model);
      }
    });
    await fc.assert(run, { numRuns: 100 });
  });

  it('prunes down to what is asked for, and nothing that is open', async () => {
    const run = fc.asyncProperty(
      fc.array(fc.record({ at: fc.nat({ max: 9 }), ...state }), { maxLength: 20 }),
      fc.record({ maxCount: fc.nat({ max: 6 }), own: fc.nat({ max: 300 }), stranger: fc.nat({ max: 300 }) }),
      async (rows, { maxCount, own, stranger }) => {
        const components = { db: memoryTestDatabase(), clock: new VirtualClock() };
        const store = await DatabaseCapsuleStore.open<null>(components);
        const tx = components.db.transaction();
        for (const [at, { number: _, at: receivedAt, ...fields }] of rows.entries()) {
          const id = capsuleId(at);
          addCapsule(store, tx, unsignedCapsule(id), pendingRow(id, { ...rowFields(fields), receivedAt }));
        }
        await tx.commit();
        const before = store.usage();
        const all = rows.map((_, at) => store.row(capsuleId(at)));
        await store.prune({ maxCount, maxBytes: { own, stranger }, strangerMaxAgeMs: 1e15 });
        const removed = all.filter((row) => row !== undefined && store.row(row.id) === undefined);
        expect(removed.some((row) => row !== undefined && isOpen(row))).toBe(false);
        for (const row of removed)
          expect(store.ended.has(row?.id ?? '')).toBe((row?.expiresAt ?? 0) > components.clock.now());
        const openBytes = (wanted: string) =>
          all.reduce((sum, row) => sum + (row && isOpen(row) && row.share === wanted ? row.bytes : 0), 0);
        const left = store.usage();
        expect(left.own.bytes).toBeLessThanOrEqual(Math.max(own, openBytes('own')));
        expect(left.stranger.bytes).toBeLessThanOrEqual(Math.max(stranger, openBytes('stranger')));
        const closed = all.filter((row) => row !== undefined && !isOpen(row)).length;
        expect(closed - removed.length).toBeLessThanOrEqual(maxCount);
        // Nobody's goes for want of room while a stranger's that could go is left.
        if (removed.some((row) => row?.share === 'known')) {
          expect(all.some((row) => row?.share === 'stranger' && !isOpen(row) && store.row(row.id))).toBe(
            false,
          );
        }
        expect(before.own.bytes).toBeGreaterThanOrEqual(left.own.bytes);
      },
    );
    await fc.assert(run, { numRuns: 100 });
  });
});

function rowFields({ status, share, open, bytes }: Pick<CapsuleRow, 'status' | 'share' | 'open' | 'bytes'>) {
  return { status, share, open, bytes };
}

async function expectInStep(store: DatabaseCapsuleStore<null>, model: Model): Promise<void> {
  const newestFirst = [...model.values()].sort(
    (a, b) => b.receivedAt - a.receivedAt || (a.id < b.id ? 1 : -1),
  );
  const ids = (rows: { id: string }[]) => rows.map(({ id }) => id);
  expect((await store.list({})).items).toEqual(newestFirst);
  expect((await store.listRoots({})).items).toEqual(newestFirst);
  for (const each of CAPSULE_STATUSES) {
    const expected = newestFirst.filter(({ status }) => status === each);
    expect(ids((await store.list({ status: each })).items)).toEqual(ids(expected));
    expect(store.counts()[each]).toBe(expected.length);
  }
  for (const each of SHARES) {
    const rows = newestFirst.filter(({ share }) => share === each);
    const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
    expect(store.usage()[each]).toEqual({ capsules: rows.length, bytes });
  }
  const open: string[] = [];
  for await (const { id } of store.open()) open.unshift(id);
  expect(open).toEqual(ids(newestFirst.filter(isOpen)));
}
