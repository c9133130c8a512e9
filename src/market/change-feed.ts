import type { Clock } from '../lib/clock.ts';

/** Changes that lie ahead are told at multiples of this, so that many become one call. */
const SLOT_MS = 50;
/** Capabilities with a change to tell, now and ahead together; more are left out until some were told. */
export const MAX_PENDING_CHANGES = 16_384;

type Listener = (capabilityId: string) => void;

interface Slot {
  readonly capabilities: Set<string>;
  readonly cancel: () => void;
}

/** What the table and the health of peers tell of. */
export type Changes = Pick<ChangeFeed, 'note' | 'noteAt'>;

/**
 * Tells that a capability may find a provider now that it did not find before: one came, changed its offer or its
 * price, is busy no more, or may be tried again. Each capability at most once in a tick, after what changed it is done.
 */
export class ChangeFeed {
  readonly #clock: Clock;
  readonly #listeners = new Set<Listener>();
  /** By monotonic milliseconds, rounded up to a slot; what is told in this tick is at 0. */
  readonly #slots = new Map<number, Slot>();
  #pending = 0;

  constructor(components: { clock: Clock }) {
    this.#clock = components.clock;
  }

  /** Returns the removal. Without a listener nothing is remembered and no timer runs. */
  onChanged(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      for (const { cancel } of this.#slots.values()) cancel();
      this.#slots.clear();
      this.#pending = 0;
    };
  }

  note(capabilityId: string): void {
    this.#add(0, 0, capabilityId);
  }

  /** To be told at this monotonic time. */
  noteAt(capabilityId: string, at: number): void {
    const slot = Math.ceil(at / SLOT_MS) * SLOT_MS;
    this.#add(slot, slot - this.#clock.monotonic(), capabilityId);
  }

  #add(at: number, inMs: number, capabilityId: string): void {
    if (this.#listeners.size === 0) return;
    const { capabilities } = this.#slots.get(at) ?? this.#open(at, inMs);
    if (this.#pending >= MAX_PENDING_CHANGES || capabilities.has(capabilityId)) return;
    capabilities.add(capabilityId);
    this.#pending++;
  }

  #open(at: number, inMs: number): Slot {
    const slot = { capabilities: new Set<string>(), cancel: this.#clock.after(inMs, () => this.#tell(at)) };
    this.#slots.set(at, slot);
    return slot;
  }

  #tell(at: number): void {
    const capabilities = this.#slots.get(at)?.capabilities ?? [];
    this.#slots.delete(at);
    for (const capabilityId of capabilities) {
      this.#pending--;
      for (const listener of [...this.#listeners]) listener(capabilityId);
    }
  }
}

/** For components without listeners. */
export const NO_CHANGES: Changes = { note: () => {}, noteAt: () => {} };
