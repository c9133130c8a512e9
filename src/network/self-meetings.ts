import type { Clock } from '../lib/clock.ts';

/** The dialler, who is done first, keeps the connection so long, or the other end would see it break and not learn why. */
const HOLD_MS = 1_000;
/** Within it both ends of a handshake have ended, on any network where one comes about. */
const SETTLE_MS = 5_000;

export type Direction = 'inbound' | 'outbound';

/**
 * Handshakes with this node's own key. libp2p refuses each after the other end has proven the key. A node that dials
 * itself, as where all machines share one list of bootstrap nodes, has both ends; of a meeting with another node it has one.
 */
export class SelfMeetings {
  readonly #clock: Clock;
  readonly #met: () => void;
  #balance = 0;
  #cancel: (() => void) | undefined;

  constructor(components: { clock: Clock; met: () => void }) {
    this.#clock = components.clock;
    this.#met = components.met;
  }

  /** Resolves when the connection may be refused. */
  note(direction: Direction): Promise<void> {
    this.#balance += direction === 'inbound' ? 1 : -1;
    this.#cancel ??= this.#clock.after(SETTLE_MS, () => {
      const balance = this.#balance;
      this.stop();
      if (balance !== 0) this.#met();
    });
    return new Promise((resolve) => {
      this.#clock.after(direction === 'outbound' ? HOLD_MS : 0, resolve);
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#balance = 0;
  }
}
