import { describe, expect, it } from 'vitest';
import { ChangeFeed } from '../../../src/market/change-feed.ts';
import {
  COOL_DOWN_MS,
  FAILURE_FADES_MS,
  MAX_BUSY_MS,
  MAX_CAPABILITIES_PER_PEER,
  MAX_COOL_DOWN_MS,
  MAX_TRACKED_PEERS,
  MIN_BUSY_MS,
  PeerHealthTracker,
} from '../../../src/market/peer-health.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const CHAT = 'ai.chat';
const STATS = 'text.stats';

function setup() {
  const clock = new VirtualClock();
  const changes = new ChangeFeed({ clock });
  const health = new PeerHealthTracker({ clock, changes });
  const fail = (times: number, code = 'internal') => {
    for (let i = 0; i < times; i++) health.failed('a', CHAT, code);
  };
  return { clock, changes, health, fail };
}

describe('peer health', () => {
  it('knows nothing bad of a stranger', () => {
    const { health } = setup();
    expect(health.excluded('a', CHAT)).toBeUndefined();
    expect(health.waitMs('a', CHAT)).toBe(0);
    expect(health.isSilent('a')).toBe(false);
  });

  it('leaves a busy peer out until the time it named, within bounds', async () => {
    const { clock, health } = setup();
    health.declinedBusy('a', CHAT, 1_500);
    health.declinedBusy('b', CHAT, 0);
    health.declinedBusy('c', CHAT, 3_600_000);
    expect(health.excluded('a', CHAT)).toBe('busy');
    expect([health.waitMs('b', CHAT), health.waitMs('c', CHAT)]).toEqual([MIN_BUSY_MS, MAX_BUSY_MS]);
    await clock.advance(1_499);
    expect([health.excluded('a', CHAT), health.excluded('b', CHAT)]).toEqual(['busy', undefined]);
    expect(health.waitMs('a', CHAT)).toBe(1);
    await clock.advance(1);
    expect(health.excluded('a', CHAT)).toBeUndefined();
  });

  it('never opens a circuit because a peer is busy', async () => {
    const { clock, health } = setup();
    for (let i = 0; i < 20; i++) health.declinedBusy('a', CHAT, 200);
    await clock.advance(200);
    expect(health.excluded('a', CHAT)).toBeUndefined();
  });

  it('is of one capability: what fails or is busy there says nothing of the others', () => {
    const { health, fail } = setup();
    fail(3);
    health.declinedBusy('a', 'ai.embed', 500);
    expect(health.excluded('a', CHAT)).toBe('circuit_open');
    expect(health.excluded('a', 'ai.embed')).toBe('busy');
    expect(health.excluded('a', STATS)).toBeUndefined();
  });

  it.each([
    'invalid_payload',
    'model_unavailable',
    'too_large',
    'cancelled',
    'insufficient_credit',
    'made_up',
  ])('does not count %s, which is not the fault of who reports it', (code) => {
    const { health, fail } = setup();
    fail(20, code);
    expect(health.excluded('a', CHAT)).toBeUndefined();
  });

  it.each(['interrupted', 'timeout', 'internal', 'invalid_receipt'])('counts %s', (code) => {
    const { health, fail } = setup();
    fail(3, code);
    expect(health.excluded('a', CHAT)).toBe('circuit_open');
  });

  it('counts a verdict once another node has proved it wrong', () => {
    const { health } = setup();
    for (let i = 0; i < 3; i++) {
      health.failed('a', CHAT, 'invalid_payload');
      expect(health.excluded('a', CHAT)).toBeUndefined();
      health.disproved('a', CHAT);
    }
    expect(health.excluded('a', CHAT)).toBe('circuit_open');
  });

  it('opens the circuit at the third failure without a success between', () => {
    const { health, fail } = setup();
    fail(2);
    expect(health.excluded('a', CHAT)).toBeUndefined();
    health.succeeded('a', CHAT);
    fail(2);
    expect(health.excluded('a', CHAT)).toBeUndefined();
    fail(1);
    expect(health.excluded('a', CHAT)).toBe('circuit_open');
    expect(health.waitMs('a', CHAT)).toBe(COOL_DOWN_MS);
    expect(health.excluded('b', CHAT)).toBeUndefined();
  });

  it('forgets one failure after another as time goes by', async () => {
    const { clock, health, fail } = setup();
    fail(2);
    await clock.advance(FAILURE_FADES_MS);
    fail(1);
    expect(health.excluded('a', CHAT)).toBeUndefined();
    fail(1);
    expect(health.excluded('a', CHAT)).toBe('circuit_open');
    await clock.advance(COOL_DOWN_MS + 3 * FAILURE_FADES_MS);
    // None is left, so that the next attempt is no trial, which would keep others away.
    health.attempted('a', CHAT);
    expect(health.excluded('a', CHAT)).toBeUndefined();
    fail(2);
    expect(health.excluded('a', CHAT)).toBeUndefined();
  });

  it('admits one trial after the cool-down; its success closes the circuit', async () => {
    const { clock, health, fail } = setup();
    fail(3);
    await clock.advance(COOL_DOWN_MS);
    expect(health.excluded('a', CHAT)).toBeUndefined();
    health.attempted('a', CHAT);
    expect(health.excluded('a', CHAT)).toBe('circuit_open');
    health.succeeded('a', CHAT);
    expect(health.excluded('a', CHAT)).toBeUndefined();
    fail(1);
    expect(health.excluded('a', CHAT)).toBeUndefined();
  });

  it('doubles the cool-down with every failed trial, up to a bound', async () => {
    const { clock, health, fail } = setup();
    fail(3);
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      waits.push(health.waitMs('a', CHAT));
      await clock.advance(health.waitMs('a', CHAT));
      health.attempted('a', CHAT);
      fail(1);
    }
    expect(waits.slice(0, 3)).toEqual([COOL_DOWN_MS, 2 * COOL_DOWN_MS, 4 * COOL_DOWN_MS]);
    expect(waits).toContain(MAX_COOL_DOWN_MS);
  });

  it('counts work that was under way when the circuit opened as nothing new', () => {
    const { health, fail } = setup();
    fail(64);
    expect(health.waitMs('a', CHAT)).toBe(COOL_DOWN_MS);
  });

  it('gives up a trial that nobody heard of again, and ends one that was declined', async () => {
    const { clock, health, fail } = setup();
    fail(3);
    await clock.advance(COOL_DOWN_MS);
    health.attempted('a', CHAT);
    await clock.advance(COOL_DOWN_MS);
    expect(health.excluded('a', CHAT)).toBeUndefined();
    health.attempted('a', CHAT);
    health.declinedBusy('a', CHAT, 300);
    expect(health.excluded('a', CHAT)).toBe('busy');
    await clock.advance(300);
    expect(health.excluded('a', CHAT)).toBeUndefined();
  });

  it('takes no attempt for a trial while the circuit is closed or open', () => {
    const { health, fail } = setup();
    health.attempted('a', CHAT);
    expect(health.excluded('a', CHAT)).toBeUndefined();
    fail(1);
    health.attempted('a', CHAT);
    expect(health.excluded('a', CHAT)).toBeUndefined();
    fail(2);
    health.attempted('a', CHAT);
    expect(health.waitMs('a', CHAT)).toBe(COOL_DOWN_MS);
  });

  it('remembers a bounded number of peers, those last reported, and of capabilities of one peer', () => {
    const { health } = setup();
    for (let i = 0; i <= MAX_TRACKED_PEERS; i++) health.declinedBusy(`peer-${i}`, CHAT, 1_000);
    expect(health.excluded('peer-0', CHAT)).toBeUndefined();
    expect(health.excluded('peer-1', CHAT)).toBe('busy');
    expect(health.excluded(`peer-${MAX_TRACKED_PEERS}`, CHAT)).toBe('busy');
    for (let i = 0; i < MAX_CAPABILITIES_PER_PEER; i++) health.declinedBusy('peer-9', `text.c${i}`, 1_000);
    expect(health.excluded('peer-9', CHAT)).toBeUndefined();
    expect(health.excluded('peer-9', 'text.c0')).toBe('busy');
  });
});

describe('a silent peer', () => {
  it('is silent until anything is heard of it, however long that takes, and is not left out', async () => {
    const { clock, health } = setup();
    health.silent('a', CHAT);
    await clock.advance(3_600_000);
    expect(health.isSilent('a')).toBe(true);
    expect(health.excluded('a', CHAT)).toBeUndefined();
    health.heardOf('b');
    expect(health.isSilent('a')).toBe(true);
    health.heardOf('a');
    expect(health.isSilent('a')).toBe(false);
  });

  it.each([
    ['declines', (health: PeerHealthTracker) => health.declinedBusy('a', CHAT, 100)],
    ['fails', (health: PeerHealthTracker) => health.failed('a', CHAT, 'internal')],
    ['delivers', (health: PeerHealthTracker) => health.succeeded('a', CHAT)],
  ])('is heard of when it %s', (_name, report) => {
    const { health } = setup();
    health.lost('a', CHAT);
    expect(health.isSilent('a')).toBe(true);
    report(health);
    expect(health.isSilent('a')).toBe(false);
  });

  it('has failed once when it vanishes with much work in hand', () => {
    const { health } = setup();
    for (let i = 0; i < 64; i++) health.lost('a', CHAT);
    health.heardOf('a');
    expect(health.excluded('a', CHAT)).toBeUndefined();
  });

  it('has a circuit as well: it may talk of anything and leave every order unanswered', () => {
    const { health } = setup();
    for (let i = 0; i < 3; i++) {
      health.silent('a', CHAT);
      health.heardOf('a');
    }
    expect(health.excluded('a', CHAT)).toBe('circuit_open');
  });
});

describe('what peer health tells of', () => {
  function told() {
    const { clock, changes, health } = setup();
    const names: string[] = [];
    const stop = changes.onChanged((capabilityId) => names.push(capabilityId));
    return { clock, health, names, stop };
  }

  it('is a peer that is busy no more, at that time', async () => {
    const { clock, health, names } = told();
    health.declinedBusy('a', CHAT, 1_000);
    health.declinedBusy('b', CHAT, 1_000);
    await clock.advance(999);
    expect(names).toEqual([]);
    await clock.advance(1);
    expect(names).toEqual([CHAT]);
    expect(health.excluded('a', CHAT)).toBeUndefined();
  });

  it('is a circuit that may be tried or has closed, and a peer that is heard of again', async () => {
    const { clock, health, names } = told();
    for (let i = 0; i < 3; i++) health.failed('a', CHAT, 'internal');
    await clock.advance(COOL_DOWN_MS);
    expect(names.splice(0)).toEqual([CHAT]);
    health.succeeded('a', CHAT);
    await clock.advance(0);
    expect(names.splice(0)).toEqual([CHAT]);
    health.silent('b', STATS);
    await clock.advance(60_000);
    expect(names).toEqual([]);
    health.heardOf('b');
    health.heardOf('b');
    await clock.advance(0);
    expect(names).toEqual([STATS]);
  });

  it('leaves no timer when nobody listens', () => {
    const { clock, health, stop } = told();
    health.declinedBusy('a', CHAT, 1_000);
    stop();
    expect(clock.pendingTimers).toBe(0);
    health.declinedBusy('a', CHAT, 1_000);
    expect(clock.pendingTimers).toBe(0);
  });
});
