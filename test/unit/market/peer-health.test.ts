import { describe, expect, it } from 'vitest';
import {
  COOL_DOWN_MS,
  FAILURE_MEMORY_MS,
  MAX_BUSY_MS,
  MAX_COOL_DOWN_MS,
  MAX_SILENT_MS,
  MAX_TRACKED_PEERS,
  MIN_BUSY_MS,
  PeerHealthTracker,
  SILENT_MS,
} from '../../../src/market/peer-health.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

function setup() {
  const clock = new VirtualClock();
  return { clock, health: new PeerHealthTracker({ clock }) };
}

describe('peer health', () => {
  it('knows nothing bad of a stranger', () => {
    const { health } = setup();
    expect(health.excluded('a')).toBeUndefined();
    expect(health.waitMs('a')).toBe(0);
  });

  it('leaves a busy peer out until the time it named, within bounds', async () => {
    const { clock, health } = setup();
    health.declinedBusy('a', 1_500);
    health.declinedBusy('b', 0);
    health.declinedBusy('c', 3_600_000);
    expect(health.excluded('a')).toBe('busy');
    expect([health.waitMs('b'), health.waitMs('c')]).toEqual([MIN_BUSY_MS, MAX_BUSY_MS]);
    await clock.advance(1_499);
    expect([health.excluded('a'), health.excluded('b')]).toEqual(['busy', undefined]);
    expect(health.waitMs('a')).toBe(1);
    await clock.advance(1);
    expect(health.excluded('a')).toBeUndefined();
  });

  it('never opens a circuit because a peer is busy', async () => {
    const { clock, health } = setup();
    for (let i = 0; i < 20; i++) health.declinedBusy('a', 200);
    await clock.advance(200);
    expect(health.excluded('a')).toBeUndefined();
  });

  it('leaves a silent peer out for longer each time, up to a bound, until it speaks', async () => {
    const { clock, health } = setup();
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      health.silent('a');
      expect(health.excluded('a')).toBe('silent');
      waits.push(health.waitMs('a'));
      await clock.advance(health.waitMs('a'));
      expect(health.excluded('a')).toBeUndefined();
    }
    expect(waits.slice(0, 3)).toEqual([SILENT_MS, 2 * SILENT_MS, 4 * SILENT_MS]);
    expect(waits.at(-1)).toBe(MAX_SILENT_MS);
    health.silent('a');
    health.declinedBusy('a', 500);
    expect([health.excluded('a'), health.waitMs('a')]).toEqual(['busy', 500]);
    health.silent('a');
    expect(health.waitMs('a')).toBe(SILENT_MS);
  });

  it('opens the circuit at the third failure in a row', () => {
    const { health } = setup();
    health.failed('a');
    health.failed('a');
    expect(health.excluded('a')).toBeUndefined();
    health.succeeded('a');
    health.failed('a');
    health.failed('a');
    expect(health.excluded('a')).toBeUndefined();
    health.failed('a');
    expect(health.excluded('a')).toBe('circuit_open');
    expect(health.waitMs('a')).toBe(COOL_DOWN_MS);
    expect(health.excluded('b')).toBeUndefined();
  });

  it('forgets failures of long ago', async () => {
    const { clock, health } = setup();
    health.failed('a');
    health.failed('a');
    await clock.advance(FAILURE_MEMORY_MS + 1);
    health.failed('a');
    expect(health.excluded('a')).toBeUndefined();
  });

  it('admits one trial after the cool-down; its success closes the circuit', async () => {
    const { clock, health } = setup();
    for (let i = 0; i < 3; i++) health.failed('a');
    await clock.advance(COOL_DOWN_MS);
    expect(health.excluded('a')).toBeUndefined();
    health.attempted('a');
    expect(health.excluded('a')).toBe('circuit_open');
    health.succeeded('a');
    expect(health.excluded('a')).toBeUndefined();
    health.failed('a');
    expect(health.excluded('a')).toBeUndefined();
  });

  it('doubles the cool-down with every failed trial, up to a bound', async () => {
    const { clock, health } = setup();
    for (let i = 0; i < 3; i++) health.failed('a');
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      waits.push(health.waitMs('a'));
      await clock.advance(health.waitMs('a'));
      health.attempted('a');
      health.failed('a');
    }
    expect(waits.slice(0, 3)).toEqual([COOL_DOWN_MS, 2 * COOL_DOWN_MS, 4 * COOL_DOWN_MS]);
    expect(waits.at(-1)).toBe(MAX_COOL_DOWN_MS);
  });

  it('counts work that was under way when the circuit opened as nothing new', () => {
    const { health } = setup();
    for (let i = 0; i < 64; i++) health.failed('a');
    expect(health.waitMs('a')).toBe(COOL_DOWN_MS);
  });

  it('gives up a trial that nobody heard of again, and ends one that was declined', async () => {
    const { clock, health } = setup();
    for (let i = 0; i < 3; i++) health.failed('a');
    await clock.advance(COOL_DOWN_MS);
    health.attempted('a');
    await clock.advance(COOL_DOWN_MS);
    expect(health.excluded('a')).toBeUndefined();
    health.attempted('a');
    health.declinedBusy('a', 300);
    expect(health.excluded('a')).toBe('busy');
    await clock.advance(300);
    expect(health.excluded('a')).toBeUndefined();
  });

  it('takes no attempt for a trial while the circuit is closed or open', () => {
    const { health } = setup();
    health.attempted('a');
    expect(health.excluded('a')).toBeUndefined();
    health.failed('a');
    health.attempted('a');
    expect(health.excluded('a')).toBeUndefined();
    health.failed('a');
    health.failed('a');
    health.attempted('a');
    expect(health.waitMs('a')).toBe(COOL_DOWN_MS);
  });

  it('remembers a bounded number of peers, those last heard of', () => {
    const { health } = setup();
    for (let i = 0; i <= MAX_TRACKED_PEERS; i++) health.declinedBusy(`peer-${i}`, 1_000);
    expect(health.excluded('peer-0')).toBeUndefined();
    expect(health.excluded('peer-1')).toBe('busy');
    expect(health.excluded(`peer-${MAX_TRACKED_PEERS}`)).toBe('busy');
  });
});
