import type { PeerId } from '@libp2p/interface';
import type { Logger } from 'pino';
import type { Clock } from '../lib/clock.ts';

/** What is used of libp2p's peer store. */
export interface PeerRecords {
  all(): Promise<{ id: PeerId }[]>;
  delete(peer: PeerId): Promise<void>;
}

export interface ForgettingComponents {
  log: Logger;
  clock: Clock;
  records: () => PeerRecords;
  isConnected: (nodeId: string) => boolean;
}

/** Between two looks. */
const INTERVAL_MS = 60_000;

/**
 * Forgets libp2p's records of peers that have gone. It keeps one of every identity that ever connected, for hours, and
 * identities cost nothing; where a node can be dialled is in the address book, which is bounded.
 */
export class Forgetting {
  readonly #components: ForgettingComponents;
  #cancel: (() => void) | null = null;

  constructor(components: ForgettingComponents) {
    this.#components = components;
  }

  start(): void {
    this.#cancel = this.#components.clock.after(INTERVAL_MS, () => void this.#forget());
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  async #forget(): Promise<void> {
    const { log, records, isConnected } = this.#components;
    try {
      const store = records();
      for (const { id } of await store.all()) if (!isConnected(id.toString())) await store.delete(id);
    } catch (error) {
      log.debug({ err: error }, 'Records of peers that have gone could not be forgotten');
    }
    if (this.#cancel !== null) this.start();
  }
}
