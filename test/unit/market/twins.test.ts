import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { CapabilityAdvertisement, SessionNote } from '../../../protocols/messages/v1/schema.ts';
import { HeardSessions } from '../../../src/market/heard-sessions.ts';
import { PeerClocks } from '../../../src/market/peer-clocks.ts';
import { TwinWatch } from '../../../src/market/twin-watch.ts';
import { NetworkEmitter } from '../../../src/network/events.ts';
import { nodeNamed } from '../../support/market.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const X = nodeNamed('x');

function logged() {
  const lines: { level: number; code?: string }[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  return { log, codes: () => lines.filter(({ level }) => level >= 40).map(({ code }) => code) };
}

describe('HeardSessions', () => {
  function hearing(connected = true) {
    const shown: [string, string[]][] = [];
    const { log, codes } = logged();
    const clock = new VirtualClock();
    const sessions = new HeardSessions({
      network: {
        isConnected: () => connected,
        showSessions: (to, notes) => void shown.push([to, notes.map(({ session }) => session.id)]),
      },
      clock,
      log,
    });
    const hear = (id: string, startedAt: number, sequence: number, timestamp: number) => {
      const session = { id, startedAt, signature: '' };
      const head = { type: 'capability_advertisement', nodeId: X, encryptionKey: null } as const;
      const message: CapabilityAdvertisement = { ...head, capabilities: [], sequence, timestamp, session };
      sessions.hear(message);
    };
    return { hear, shown, codes, clock };
  }

  it('shows a connected peer both of two sessions, and logs it once when the first goes on', () => {
    const { hear, shown, codes } = hearing();
    hear('a', 10, 1, 11);
    hear('a', 10, 2, 12);
    expect(shown).toEqual([]);
    hear('b', 20, 1, 21);
    expect(shown).toEqual([[X, ['a', 'b']]]);
    expect(codes()).toEqual([]);
    hear('a', 10, 3, 22);
    hear('b', 20, 2, 23);
    hear('a', 10, 4, 24);
    expect(shown.slice(1)).toEqual([
      [X, ['b', 'a']],
      [X, ['a', 'b']],
      [X, ['b', 'a']],
    ]);
    expect(codes()).toEqual(['identity_twice']);
  });

  it('says nothing of a restart whose goodbye comes late, or of what is sent again', () => {
    const { hear, codes } = hearing();
    hear('a', 10, 2, 12);
    hear('b', 20, 1, 21);
    hear('a', 10, 3, 19);
    hear('b', 20, 2, 22);
    hear('a', 10, 2, 12);
    expect(codes()).toEqual([]);
  });

  it('shows a peer only so often, and nobody who is not connected', async () => {
    const { hear, shown, clock } = hearing();
    for (let turn = 0; turn < 1_000; turn++) hear(turn % 2 === 0 ? 'a' : 'b', 10, turn, turn);
    expect(shown.length).toBeLessThan(10);
    const before = shown.length;
    await clock.advance(60_000);
    hear('c', 10, 1, 1);
    expect(shown).toHaveLength(before + 1);
    const stranger = hearing(false);
    stranger.hear('a', 10, 1, 11);
    stranger.hear('b', 20, 1, 21);
    expect(stranger.shown).toEqual([]);
  });
});

describe('TwinWatch', () => {
  async function watching(judged: { twin: boolean; younger: boolean }) {
    const { log, codes } = logged();
    const emitter = new NetworkEmitter(log);
    const done: string[] = [];
    const watch = new TwinWatch({
      network: {
        on: (event, listener) => emitter.on(event, listener),
        off: (event, listener) => emitter.off(event, listener),
        stop: async () => void done.push('left'),
      },
      session: {
        startedAt: 1,
        isTwin: () => judged.twin,
        isYoungerThan: () => judged.younger,
        passSequence: async (sequence) => void done.push(`pass ${sequence}`),
      },
      advertiser: {
        silence: () => void done.push('silent'),
        outdo: (sequence) => void done.push(`outdo ${sequence}`),
      },
      log,
    });
    await watch.start();
    const session = { id: 'b', startedAt: 2, signature: '' };
    const note: SessionNote = { nodeId: X, sequence: 7, timestamp: 3, session };
    return {
      watch,
      done,
      codes,
      show: () => emitter.emit('session:shown', note, X),
      meet: () => emitter.emit('self:met'),
    };
  }

  it('leaves the mesh where it is the younger, silently, and says why once', async () => {
    const { watch, done, codes, show } = await watching({ twin: true, younger: true });
    show();
    show();
    expect(done).toEqual(['pass 7', 'silent', 'left']);
    expect(codes()).toEqual(['identity_twice']);
    expect(watch.warning).toMatch(/started earlier.*left the mesh.*identity\.json/);
  });

  it('goes on above the other where it is the older, and says so once', async () => {
    const { watch, done, codes, show } = await watching({ twin: true, younger: false });
    show();
    show();
    expect(done).toEqual(['pass 7', 'outdo 7', 'pass 7', 'outdo 7']);
    expect(codes()).toEqual(['identity_twice']);
    expect(watch.warning).toMatch(/started later.*goes on/);
  });

  it('does nothing about a note of its own, and hears nothing once stopped', async () => {
    const own = await watching({ twin: false, younger: true });
    own.show();
    expect([own.done, own.watch.warning, own.codes()]).toEqual([[], null, []]);
    const stopped = await watching({ twin: true, younger: true });
    await stopped.watch.stop();
    stopped.show();
    stopped.meet();
    expect([stopped.done, stopped.watch.warning]).toEqual([[], null]);
  });

  it('says that it met its own identity, which does not say who is older', async () => {
    const { watch, done, codes, meet } = await watching({ twin: true, younger: false });
    meet();
    meet();
    expect([done, codes()]).toEqual([[], ['identity_twice']]);
    expect(watch.warning).toMatch(/Another node answers with the identity of this one/);
  });
});

describe('PeerClocks', () => {
  it.each([
    [600_000, /600 s ahead of this one's/],
    [-600_000, /600 s behind this one's/],
  ])('tells of a peer whose clock is off by %d ms, once, until it agrees again', (off, sentence) => {
    const { log, codes } = logged();
    const connected = new Set([X]);
    const clocks = new PeerClocks({
      clock: { now: () => 1e12 },
      log,
      isConnected: (id) => connected.has(id),
    });
    clocks.heard(X, 1e12 + 299_999);
    expect(clocks.warnings()).toEqual([]);
    clocks.heard(X, 1e12 + off);
    clocks.heard(X, 1e12 + off);
    expect(codes()).toEqual(['clock_skew']);
    expect(clocks.warnings()).toEqual([expect.stringMatching(sentence)]);
    connected.clear();
    expect(clocks.warnings()).toEqual([]);
    connected.add(X);
    clocks.heard(X, 1e12);
    expect(clocks.warnings()).toEqual([]);
  });
});
