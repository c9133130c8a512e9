import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DatabaseCapsuleStore } from '../../../src/store/capsule-store.ts';
import { CAPSULE_STATUSES, type CapsuleStatus } from '../../../src/store/types.ts';
import { memoryTestDatabase } from '../../support/database.ts';
import { capsuleId, pendingRecord, unsignedCapsule } from '../../support/stored-capsules.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const number = fc.nat({ max: 9 });
const status = fc.constantFrom(...CAPSULE_STATUSES);
const operation = fc.oneof(
  fc.record({ do: fc.constant('add' as const), number, at: fc.nat({ max: 5 }), status }),
  fc.record({ do: fc.constant('setStatus' as const), number, status }),
  fc.record({ do: fc.constant('update' as const), number }),
  fc.record({ do: fc.constant('remove' as const), number }),
  fc.record({ do: fc.constant('prune' as const), keep: fc.nat({ max: 3 }) }),
);

describe('capsule store', () => {
  it('keeps counts and every index in step with the records, whatever is asked of it', async () => {
    const run = fc.asyncProperty(fc.array(operation, { maxLength: 60 }), async (operations) => {
      const db = memoryTestDatabase();
      const store = new DatabaseCapsuleStore({ db, clock: new VirtualClock() });
      const model = new Map<string, { at: number; status: CapsuleStatus }>();
      for (const step of operations) {
        if (step.do === 'prune') {
          await store.prune({ maxCount: step.keep });
          for (const id of model.keys()) if (store.record(id) === undefined) model.delete(id);
          expect([...model.values()].filter(({ status }) => ended(status)).length).toBeLessThanOrEqual(
            step.keep,
          );
          continue;
        }
        const id = capsuleId(step.number);
        const known = model.get(id);
        const tx = db.transaction();
        try {
          if (step.do === 'add') {
            const record = pendingRecord(id, { receivedAt: step.at, status: step.status });
            const added = store.add(tx, unsignedCapsule(id), record);
            expect(added).toBe(known === undefined);
            if (added) model.set(id, { at: step.at, status: step.status });
          } else if (step.do === 'setStatus') {
            store.setStatus(tx, id, step.status);
            if (known !== undefined) model.set(id, { ...known, status: step.status });
          } else if (step.do === 'update') {
            store.update(tx, id, { note: 'seen' });
          } else {
            store.remove(tx, id);
            model.delete(id);
          }
        } catch (error) {
          expect(error).toMatchObject({ code: known === undefined ? 'not_found' : 'conflict' });
          continue;
        }
        void tx.commit();
      }

      const newestFirst = [...model].sort(([a, { at: x }], [b, { at: y }]) => y - x || (a < b ? 1 : -1));
      const idsWith = (wanted?: CapsuleStatus) =>
        newestFirst.filter(([, { status }]) => wanted === undefined || status === wanted).map(([id]) => id);
      const listed = async (filter: Parameters<typeof store.list>[0]) =>
        (await store.list(filter)).items.map(({ id }) => id);
      expect(await listed({})).toEqual(idsWith());
      expect(await listed({ requestedCapability: 'text.stats' })).toEqual(idsWith());
      for (const each of CAPSULE_STATUSES) expect(await listed({ status: each })).toEqual(idsWith(each));
      const counts = Object.fromEntries(CAPSULE_STATUSES.map((each) => [each, idsWith(each).length]));
      expect(await store.counts()).toEqual(counts);
      const unfinished: string[] = [];
      for await (const { id } of store.unfinished()) unfinished.unshift(id);
      expect(unfinished).toEqual(newestFirst.filter(([, { status }]) => !ended(status)).map(([id]) => id));
    });
    await fc.assert(run, { numRuns: 150 });
  });
});

function ended(status: CapsuleStatus): boolean {
  return status === 'completed' || status === 'failed';
}
