import { describe, expect, it } from 'vitest';
import { EventLog } from '../../../src/exchange/event-log.ts';
import { silentLog } from '../../support/database.ts';
import { capsuleId } from '../../support/stored-capsules.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const logOf = () => new EventLog({ clock: new VirtualClock(), log: silentLog });
const say = (log: EventLog, capsule: number, delta: string) =>
  log.emit({ type: 'progress', capsuleId: capsuleId(capsule), epoch: 1, delta });

/** Everything from there on, a piece at a time. */
function read(log: EventLog, since: number, limit: number, capsule?: number) {
  const seen: number[] = [];
  let pieces = 0;
  for (let position = since; ; pieces++) {
    const range = { since: position, limit, ...(capsule !== undefined && { capsuleId: capsuleId(capsule) }) };
    const { events, position: next } = log.after(range);
    expect(events.length).toBeLessThanOrEqual(limit);
    seen.push(...events.map(({ sequence }) => sequence));
    position = next;
    if (position === log.newest) return { seen, pieces: pieces + 1 };
  }
}

describe('the log of events', () => {
  it('remembers 50,000 of them, whenever it is asked', () => {
    const log = logOf();
    for (let n = 0; n < 250_000; n++) {
      say(log, n % 100, `word ${n}`);
      if (n >= 50_000 && n % 1_000 === 0)
        expect(log.after({ since: log.newest - 50_000, limit: 0 }).forgotten).toBe(0);
    }
    expect(log.after({ since: 0, limit: 0 }).forgotten).toBeGreaterThan(0);
  });

  it('gives them in pieces, each once and in order', () => {
    const log = logOf();
    for (let n = 1; n <= 1000; n++) say(log, n % 7, 'x');
    expect(read(log, 0, 64)).toEqual({ seen: Array.from({ length: 1000 }, (_, n) => n + 1), pieces: 16 });
    expect(read(log, 990, 3).seen).toEqual([991, 992, 993, 994, 995, 996, 997, 998, 999, 1000]);
    const ofThree = Array.from({ length: 1000 }, (_, n) => n + 1).filter((n) => n % 7 === 3);
    expect(read(log, 0, 10, 3).seen).toEqual(ofThree);
    expect(read(log, 500, 10, 3).seen).toEqual(ofThree.filter((n) => n > 500));
    expect(read(log, 0, 10, 8)).toEqual({ seen: [], pieces: 1 });
    expect(log.after({ since: 1000, limit: 5 })).toEqual({ events: [], position: 1000, forgotten: 0 });
  });

  it('is bounded by what they take in memory, and says what it forgot', () => {
    const log = logOf();
    const delta = 'x'.repeat(500_000);
    say(log, 1, 'first');
    for (let n = 0; n < 30; n++) say(log, 2, delta);
    say(log, 1, 'last');
    const { events, forgotten } = log.after({ since: 0, limit: 100 });
    expect(forgotten).toBeGreaterThan(5);
    expect(events.length).toBe(32 - forgotten);
    expect(events.length).toBeLessThanOrEqual(26);
    expect(log.after({ since: 0, limit: 100, capsuleId: capsuleId(1) }).events).toMatchObject([
      { delta: 'last' },
    ]);
    const afterForgotten = log.after({ since: forgotten, limit: 100 });
    expect(afterForgotten).toMatchObject({ forgotten: 0, position: 32 });
  });
});
