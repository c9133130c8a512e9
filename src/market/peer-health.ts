import { LRUCache } from 'lru-cache';
import type { Clock } from '../lib/clock.ts';
import type { PeerHealth } from './types.ts';

/** Peers remembered, longest unused first to go. It also bounds how many excluded ones a choice can pass. */
export const MAX_TRACKED_PEERS = 1_024;
/** A peer that names no time, or a shorter one, is asked again after this. */
export const MIN_BUSY_MS = 100;
/** Longest that a peer's own word keeps it out. */
export const MAX_BUSY_MS = 300_000;
/** First exclusion after silence; it doubles with every further silence. */
export const SILENT_MS = 2_000;
export const MAX_SILENT_MS = 60_000;
/** Failures in a row that open the circuit. */
export const FAILURES_TO_OPEN = 3;
/** First cool-down of an open circuit; it doubles with every failed trial. */
export const COOL_DOWN_MS = 10_000;
export const MAX_COOL_DOWN_MS = 300_000;
/** A failure this long ago says nothing about today. */
export const FAILURE_MEMORY_MS = 900_000;

/** Times are monotonic milliseconds. */
interface Health {
  busyUntil: number;
  silentUntil: number;
  silences: number;
  failures: number;
  failedAt: number;
  /** 0 while the circuit is closed; half-open once this has passed, until a success. */
  openUntil: number;
  /** The half-open trial that is under way counts as lost after this. */
  trialUntil: number;
}

export interface PeerHealthComponents {
  clock: Clock;
}

/** Three cases, three treatments (node "Market and scheduler"): busy waits, silence waits longer, failure opens. */
export class PeerHealthTracker implements PeerHealth {
  readonly #clock: Clock;
  readonly #peers = new LRUCache<string, Health>({ max: MAX_TRACKED_PEERS });

  constructor(components: PeerHealthComponents) {
    this.#clock = components.clock;
  }

  attempted(nodeId: string): void {
    const health = this.#peers.get(nodeId);
    const now = this.#clock.monotonic();
    if (health === undefined || health.openUntil === 0 || health.openUntil > now) return;
    health.trialUntil = now + coolDown(health.failures);
  }

  declinedBusy(nodeId: string, retryAfterMs: number): void {
    const health = this.#of(nodeId);
    answered(health);
    const wait = Math.min(Math.max(retryAfterMs, MIN_BUSY_MS), MAX_BUSY_MS);
    health.busyUntil = this.#clock.monotonic() + wait;
  }

  failed(nodeId: string): void {
    const health = this.#of(nodeId);
    answered(health);
    const now = this.#clock.monotonic();
    if (now - health.failedAt > FAILURE_MEMORY_MS) health.failures = 0;
    // Work handed over before the circuit opened may still fail: that says nothing new.
    if (health.openUntil > now) return;
    health.failures++;
    health.failedAt = now;
    if (health.failures >= FAILURES_TO_OPEN) health.openUntil = now + coolDown(health.failures);
  }

  silent(nodeId: string): void {
    const health = this.#of(nodeId);
    const wait = Math.min(SILENT_MS * 2 ** health.silences, MAX_SILENT_MS);
    health.silences++;
    health.trialUntil = 0;
    health.silentUntil = this.#clock.monotonic() + wait;
  }

  succeeded(nodeId: string): void {
    this.#peers.delete(nodeId);
  }

  /** Why a choice leaves the node out at this moment. */
  excluded(nodeId: string): 'busy' | 'silent' | 'circuit_open' | undefined {
    // Mostly nobody is unwell, and a choice asks about many: not even their names are hashed then.
    const health = this.#peers.size === 0 ? undefined : this.#peers.peek(nodeId);
    if (health === undefined) return undefined;
    const now = this.#clock.monotonic();
    if (Math.max(health.openUntil, health.trialUntil) > now) return 'circuit_open';
    if (health.silentUntil > now) return 'silent';
    return health.busyUntil > now ? 'busy' : undefined;
  }

  /** Milliseconds until the node is asked again of itself; orders the least bad. */
  waitMs(nodeId: string): number {
    const health = this.#peers.peek(nodeId);
    if (health === undefined) return 0;
    const until = Math.max(health.openUntil, health.trialUntil, health.silentUntil, health.busyUntil);
    return Math.max(0, until - this.#clock.monotonic());
  }

  #of(nodeId: string): Health {
    const known = this.#peers.get(nodeId);
    if (known !== undefined) return known;
    const fresh: Health = {
      busyUntil: 0,
      silentUntil: 0,
      silences: 0,
      failures: 0,
      failedAt: 0,
      openUntil: 0,
      trialUntil: 0,
    };
    this.#peers.set(nodeId, fresh);
    return fresh;
  }
}

/** It is there and speaks, whatever it said: silence is over, and so is a trial. */
function answered(health: Health): void {
  health.silences = 0;
  health.silentUntil = 0;
  health.trialUntil = 0;
}

function coolDown(failures: number): number {
  return Math.min(COOL_DOWN_MS * 2 ** Math.max(0, failures - FAILURES_TO_OPEN), MAX_COOL_DOWN_MS);
}
