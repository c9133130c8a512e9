import { beforeEach, describe, expect, it } from 'vitest';
import { AgeClock } from '../../../src/store/age-clock.ts';
import { DatabaseEndedIds } from '../../../src/store/ended-ids.ts';
import { keyspace } from '../../../src/store/keyspaces.ts';
import { SeenIds } from '../../../src/store/seen-ids.ts';
import type { Database, Share } from '../../../src/store/types.ts';
import { memoryTestDatabase } from '../../support/database.ts';
import { capsuleId } from '../../support/stored-capsules.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const NOW = 1_700_000_000_000;
const DAY = 24 * 3_600_000;

describe('ids of ended capsules', () => {
  let db: Database;
  let clock: VirtualClock;
  let ended: DatabaseEndedIds;
  beforeEach(() => {
    db = memoryTestDatabase();
    clock = new VirtualClock(NOW);
    ended = begin();
  });

  const begin = (): DatabaseEndedIds => {
    // A store of its own has seen every id that it removes.
    const seen = new SeenIds();
    for (let number = 0; number < 64; number++) seen.add(capsuleId(number));
    return beginWith(seen);
  };
  const beginWith = (seen: SeenIds): DatabaseEndedIds =>
    new DatabaseEndedIds({ db, age: new AgeClock({ db, clock }), seen }, { strangersKept: 8 });
  async function remember(
    number: number,
    {
      share = 'own',
      timestamp = NOW,
      expiresAt = NOW + DAY,
    }: { share?: Share; timestamp?: number; expiresAt?: number } = {},
  ): Promise<void> {
    const tx = db.transaction();
    ended.remember(tx, { id: capsuleId(number), share, timestamp, expiresAt });
    await tx.commit();
  }
  const has = (number: number): boolean => ended.has(capsuleId(number));
  async function stored(): Promise<number> {
    let rows = 0;
    for await (const _ of db.scan(keyspace('endedIds'), {})) rows++;
    return rows;
  }

  it('are remembered over a restart until they expire', async () => {
    await remember(1);
    await remember(2, { share: 'stranger', expiresAt: NOW + 2 * DAY });
    ended = begin();
    await ended.sweep();
    expect([has(1), has(2), has(3)]).toEqual([true, true, false]);
    await clock.advance(DAY);
    await ended.sweep();
    expect([has(1), has(2)]).toEqual([false, true]);
    await clock.advance(DAY);
    await ended.sweep();
    expect(await stored()).toBe(0);
  });

  it('of an earlier life are known before and after they were looked through', async () => {
    await remember(1);
    ended = beginWith(new SeenIds());
    expect(has(1)).toBe(true);
    await ended.sweep();
    expect([has(1), has(2)]).toEqual([true, false]);
  });

  it('of what has expired are not stored', async () => {
    await remember(1, { expiresAt: NOW });
    expect(await stored()).toBe(0);
  });

  it("of one's own and of known ones are all kept; of strangers so many, and older ones are refused then", async () => {
    for (let number = 0; number < 20; number++) await remember(number, { timestamp: NOW - 50 });
    for (let number = 100; number < 112; number++) {
      await remember(number, { share: 'stranger', timestamp: NOW + number });
    }
    expect([ended.isFull, ended.refuses(NOW)]).toEqual([true, false]);
    await ended.sweep();
    expect(ended.isFull).toBe(false);
    expect(await stored()).toBe(26);
    // Whatever is not remembered any more is refused, and nothing that is newer.
    for (let number = 100; number < 112; number++) expect(has(number)).toBe(!ended.refuses(NOW + number));
    expect([ended.refuses(NOW + 105), ended.refuses(NOW + 106)]).toEqual([true, false]);
    ended = begin();
    expect([ended.refuses(NOW + 105), ended.refuses(NOW + 106)]).toEqual([true, false]);
  });

  it('of strangers are refused at once where sweeps do not keep up', async () => {
    for (let number = 0; number < 30; number++) {
      await remember(number, { share: 'stranger', timestamp: NOW + number });
      expect(has(number) || ended.refuses(NOW + number)).toBe(true);
    }
    expect(await stored()).toBe(16);
  });

  it('of more than one step are swept', async () => {
    const tx = db.transaction();
    for (let number = 0; number < 2_500; number++) {
      const expiresAt = NOW + (number % 2 === 0 ? 1 : 2) * DAY;
      ended.remember(tx, { id: capsuleId(number), share: 'own', timestamp: NOW, expiresAt });
    }
    await tx.commit();
    await clock.advance(DAY);
    await ended.sweep();
    expect(await stored()).toBe(1_250);
  });

  it('do not come to life again when the clock goes back over a restart', async () => {
    await remember(1, { expiresAt: NOW + DAY });
    await clock.advance(DAY);
    await ended.sweep();
    clock.jump(-DAY / 2);
    expect(new AgeClock({ db, clock }).now()).toBe(NOW + DAY);
  });
});

describe('the clock for ages', () => {
  let db: Database;
  let clock: VirtualClock;
  beforeEach(() => {
    db = memoryTestDatabase();
    clock = new VirtualClock(NOW);
  });
  async function keep(age: AgeClock): Promise<void> {
    const tx = db.transaction();
    age.keep(tx);
    await tx.commit();
  }

  it('goes with the wall clock, and not back with it, over a restart neither', async () => {
    const age = new AgeClock({ db, clock });
    await clock.advance(10_000);
    expect(age.now()).toBe(NOW + 10_000);
    await keep(age);
    clock.jump(-8_000);
    expect([age.now(), new AgeClock({ db, clock }).now()]).toEqual([NOW + 10_000, NOW + 10_000]);
    await clock.advance(9_000);
    expect(new AgeClock({ db, clock }).now()).toBe(NOW + 11_000);
  });

  it('believes a wall clock that was put right by more than a day', async () => {
    clock.jump(3 * 365 * DAY);
    const age = new AgeClock({ db, clock });
    await keep(age);
    clock.jump(-3 * 365 * DAY);
    expect([age.now(), new AgeClock({ db, clock }).now()]).toEqual([NOW, NOW]);
  });
});
