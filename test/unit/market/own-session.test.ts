import { beforeEach, describe, expect, it } from 'vitest';
import type { SessionNote } from '../../../protocols/messages/v1/schema.ts';
import { nodeIdOf } from '../../../src/capsule/identity.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { OwnSession } from '../../../src/market/own-session.ts';
import type { Database } from '../../../src/store/types.ts';
import { memoryTestDatabase } from '../../support/database.ts';
import { alice, bob } from '../../support/keys.ts';

const DAY = 86_400_000;

describe('OwnSession', () => {
  let now = 1_700_000_000_000;
  beforeEach(() => {
    now = 1_700_000_000_000;
  });
  const begin = (db: Database, key = alice) =>
    OwnSession.begin({ db, clock: { now: () => now }, crypto: nodeCrypto, signer: key.signer });
  const noteOf = (session: OwnSession, sequence = session.firstSequence + 1): SessionNote => {
    const heading = { nodeId: nodeIdOf(alice.identity), sequence, timestamp: now };
    return { ...heading, session: session.sign(heading) };
  };

  it('counts on over restarts while the wall clock goes back', async () => {
    const db = memoryTestDatabase();
    const sequences: number[] = [];
    for (let run = 0; run < 5; run++) {
      sequences.push((await begin(db)).firstSequence);
      now -= DAY;
    }
    expect(sequences).toEqual(sequences.toSorted((a, b) => a - b));
    expect(new Set(sequences).size).toBe(5);
    // Above the clocks that earlier versions began with.
    expect(sequences[0]).toBeGreaterThan(Date.UTC(2039, 0));
  });

  it('knows a twin by what that says after this run began', async () => {
    const [here, there] = [await begin(memoryTestDatabase()), await begin(memoryTestDatabase())];
    expect(here.isTwin(noteOf(there))).toBe(false);
    now += 1;
    expect(here.isTwin(noteOf(there))).toBe(true);
    expect(here.isTwin(noteOf(here))).toBe(false);
  });

  it('takes nothing for a twin that this node said itself in a run before, whatever the clock was then', async () => {
    const db = memoryTestDatabase();
    now += DAY;
    const before = noteOf(await begin(db));
    now -= DAY;
    expect((await begin(db)).isTwin(before)).toBe(false);
    expect((await begin(memoryTestDatabase())).isTwin(before)).toBe(true);
  });

  it('takes no note for a twin that was signed by another key, or changed', async () => {
    const here = await begin(memoryTestDatabase());
    const there = await begin(memoryTestDatabase());
    const forger = await begin(memoryTestDatabase(), bob);
    now += 1;
    const note = noteOf(there);
    expect(here.isTwin(noteOf(forger))).toBe(false);
    expect(here.isTwin({ ...note, timestamp: note.timestamp + 1 })).toBe(false);
    expect(here.isTwin({ ...note, sequence: note.sequence + 1 })).toBe(false);
    expect(here.isTwin({ ...note, session: { ...note.session, startedAt: 0 } })).toBe(false);
  });

  it('lets exactly one of two be the younger, also when both began in one millisecond', async () => {
    const first = await begin(memoryTestDatabase());
    const second = await begin(memoryTestDatabase());
    now += 1;
    const third = await begin(memoryTestDatabase());
    expect([first.isYoungerThan(noteOf(second)), second.isYoungerThan(noteOf(first))].toSorted()).toEqual([
      false,
      true,
    ]);
    expect([first.isYoungerThan(noteOf(third)), third.isYoungerThan(noteOf(first))]).toEqual([false, true]);
  });

  it('begins its next run above what a twin used, and no lower than its own', async () => {
    const [db, copy] = [memoryTestDatabase(), memoryTestDatabase()];
    const here = await begin(db);
    await begin(copy);
    await begin(copy);
    const twin = await begin(copy);
    await here.passSequence(twin.firstSequence + 7);
    const next = await begin(db);
    expect(next.firstSequence).toBeGreaterThan(twin.firstSequence + 7);
    await next.passSequence(0);
    await next.passSequence(Number.MAX_SAFE_INTEGER);
    expect((await begin(db)).firstSequence).toBeGreaterThan(next.firstSequence);
    expect((await begin(db)).firstSequence).toBeLessThan(2 ** 52);
  });
});
