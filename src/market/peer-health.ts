import { LRUCache } from 'lru-cache';
import type { Clock } from '../lib/clock.ts';
import { type Changes, NO_CHANGES } from './change-feed.ts';
import { isProviderFault } from './provider-fault.ts';
import type { PeerHealth } from './types.ts';

/** Nodes remembered, longest unused first to go. It also bounds how many excluded ones a choice can pass. */
export const MAX_TRACKED_PEERS = 1_024;
/** Capabilities remembered of one node, oldest first to go. */
export const MAX_CAPABILITIES_PER_PEER = 64;
/** A peer that names no time, or a shorter one, is asked again after this. */
export const MIN_BUSY_MS = 100;
/** Longest that a peer's own word keeps it out. */
export const MAX_BUSY_MS = 300_000;
/** Failures, with no success between, that open the circuit. */
export const FAILURES_TO_OPEN = 3;
/** First cool-down of an open circuit; it doubles with every failed trial. */
export const COOL_DOWN_MS = 10_000;
export const MAX_COOL_DOWN_MS = 300_000;
/** One failure is forgotten each time that this passes without another. */
export const FAILURE_FADES_MS = 300_000;

/** Of one capability of a node. Times are monotonic milliseconds. */
interface Health {
  busyUntil: number;
  failures: number;
  failedAt: number;
  /** 0 while the circuit is closed; half-open once this has passed, until a success. */
  openUntil: number;
  /** The half-open trial that is under way counts as lost after this. */
  trialUntil: number;
}

interface NodeHealth {
  /** It left an order unanswered or vanished at work, and was not heard of since. */
  silent: boolean;
  readonly capabilities: Map<string, Health>;
}

export interface PeerHealthComponents {
  clock: Clock;
  changes?: Changes;
}

/**
 * Three cases, three treatments (node "Market and scheduler"): a busy peer is left out until the time it named, one that
 * is silent goes last until it is heard of, one that fails opens the circuit of that capability.
 */
export class PeerHealthTracker implements PeerHealth {
  readonly #clock: Clock;
  readonly #changes: Changes;
  readonly #peers = new LRUCache<string, NodeHealth>({ max: MAX_TRACKED_PEERS });

  constructor({ clock, changes = NO_CHANGES }: PeerHealthComponents) {
    this.#clock = clock;
    this.#changes = changes;
  }

  attempted(nodeId: string, capabilityId: string): void {
    const health = this.#peers.get(nodeId)?.capabilities.get(capabilityId);
    if (health === undefined) return;
    const now = this.#clock.monotonic();
    fade(health, now);
    if (health.openUntil === 0 || health.openUntil > now) return;
    health.trialUntil = now + coolDown(health.failures);
    this.#changes.noteAt(capabilityId, health.trialUntil);
  }

  declinedBusy(nodeId: string, capabilityId: string, retryAfterMs: number): void {
    const health = this.#answered(nodeId, capabilityId);
    const wait = Math.min(Math.max(retryAfterMs, MIN_BUSY_MS), MAX_BUSY_MS);
    health.busyUntil = this.#clock.monotonic() + wait;
    this.#changes.noteAt(capabilityId, health.busyUntil);
  }

  failed(nodeId: string, capabilityId: string, code: string): void {
    const health = this.#answered(nodeId, capabilityId);
    if (isProviderFault(code)) this.#count(capabilityId, health);
  }

  disproved(nodeId: string, capabilityId: string): void {
    this.#count(capabilityId, this.#of(nodeId, capabilityId));
  }

  lost(nodeId: string, capabilityId: string): void {
    this.#wentSilent(nodeId, capabilityId);
  }

  silent(nodeId: string, capabilityId: string): void {
    this.#wentSilent(nodeId, capabilityId);
  }

  heardOf(nodeId: string): void {
    // Called for every message: most of them from a peer of whom nothing bad is known.
    const node = this.#peers.size === 0 ? undefined : this.#peers.peek(nodeId);
    if (node === undefined || !node.silent) return;
    node.silent = false;
    for (const capabilityId of node.capabilities.keys()) this.#changes.note(capabilityId);
  }

  succeeded(nodeId: string, capabilityId: string): void {
    this.heardOf(nodeId);
    const node = this.#peers.peek(nodeId);
    if (node === undefined || !node.capabilities.delete(capabilityId)) return;
    this.#changes.note(capabilityId);
    if (node.capabilities.size === 0) this.#peers.delete(nodeId);
  }

  /** Why a choice leaves the node out at this moment. */
  excluded(nodeId: string, capabilityId: string): 'busy' | 'circuit_open' | undefined {
    const health = this.#peek(nodeId)?.capabilities.get(capabilityId);
    if (health === undefined) return undefined;
    const now = this.#clock.monotonic();
    if (Math.max(health.openUntil, health.trialUntil) > now) return 'circuit_open';
    return health.busyUntil > now ? 'busy' : undefined;
  }

  /** Whether it goes last: it owes an answer, and nothing came from it since. */
  isSilent(nodeId: string): boolean {
    return this.#peek(nodeId)?.silent ?? false;
  }

  /** Milliseconds until the node is asked again of itself; orders the least bad. */
  waitMs(nodeId: string, capabilityId: string): number {
    const health = this.#peek(nodeId)?.capabilities.get(capabilityId);
    if (health === undefined) return 0;
    const until = Math.max(health.openUntil, health.trialUntil, health.busyUntil);
    return Math.max(0, until - this.#clock.monotonic());
  }

  /** Mostly all peers are well, and a choice asks about many: not even their names are hashed then. */
  #peek(nodeId: string): NodeHealth | undefined {
    return this.#peers.size === 0 ? undefined : this.#peers.peek(nodeId);
  }

  /** It is there and speaks, whatever it said: silence is over, and so is a trial. */
  #answered(nodeId: string, capabilityId: string): Health {
    this.heardOf(nodeId);
    const health = this.#of(nodeId, capabilityId);
    health.trialUntil = 0;
    return health;
  }

  /**
   * Of all that was on its way to a node that vanished, the first counts: it is one event. A node that is heard of
   * and leaves orders unanswered again and again fails like any other.
   */
  #wentSilent(nodeId: string, capabilityId: string): void {
    const health = this.#of(nodeId, capabilityId);
    const node = this.#peers.peek(nodeId);
    health.trialUntil = 0;
    if (node === undefined || node.silent) return;
    node.silent = true;
    this.#count(capabilityId, health);
  }

  #count(capabilityId: string, health: Health): void {
    const now = this.#clock.monotonic();
    fade(health, now);
    // Work handed over before the circuit opened may still fail: that says nothing new.
    if (health.openUntil > now) return;
    health.trialUntil = 0;
    health.failures++;
    health.failedAt = now;
    if (health.failures < FAILURES_TO_OPEN) return;
    health.openUntil = now + coolDown(health.failures);
    this.#changes.noteAt(capabilityId, health.openUntil);
  }

  #of(nodeId: string, capabilityId: string): Health {
    const node = this.#peers.get(nodeId) ?? { silent: false, capabilities: new Map<string, Health>() };
    this.#peers.set(nodeId, node);
    const known = node.capabilities.get(capabilityId);
    if (known !== undefined) return known;
    const [oldest] = node.capabilities.keys();
    if (node.capabilities.size >= MAX_CAPABILITIES_PER_PEER && oldest !== undefined) {
      node.capabilities.delete(oldest);
    }
    const fresh: Health = { busyUntil: 0, failures: 0, failedAt: 0, openUntil: 0, trialUntil: 0 };
    node.capabilities.set(capabilityId, fresh);
    return fresh;
  }
}

/** Old failures say little about today; once none is left the circuit is closed. */
function fade(health: Health, now: number): void {
  const faded = Math.floor((now - health.failedAt) / FAILURE_FADES_MS);
  if (faded <= 0 || health.openUntil > now) return;
  health.failures = Math.max(0, health.failures - faded);
  health.failedAt += faded * FAILURE_FADES_MS;
  if (health.failures === 0) health.openUntil = 0;
}

function coolDown(failures: number): number {
  return Math.min(COOL_DOWN_MS * 2 ** Math.max(0, failures - FAILURES_TO_OPEN), MAX_COOL_DOWN_MS);
}
