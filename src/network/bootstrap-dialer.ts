import type { Logger } from 'pino';
import type { Clock } from '../lib/clock.ts';

export interface BootstrapDialerComponents {
  log: Logger;
  clock: Clock;
  /** Dials an address; gives the node id. */
  dial: (address: string) => Promise<string>;
  isConnected: (nodeId: string) => boolean;
}

interface Target {
  address: string;
  /** Known once it answered. */
  nodeId: string | null;
  failures: number;
  cancel: () => void;
}

const FIRST_RETRY_MS = 1_000;
/** A node that comes back is found again within a minute. */
const LAST_RETRY_MS = 60_000;

/** Keeps connected to the configured addresses: dials them at start, and again with back-off whenever one is lost. */
export class BootstrapDialer {
  readonly #components: BootstrapDialerComponents;
  readonly #targets: Target[];
  #running = false;

  constructor(components: BootstrapDialerComponents, init: { addresses: readonly string[] }) {
    this.#components = components;
    this.#targets = [...new Set(init.addresses)].map((address) => ({
      address,
      nodeId: null,
      failures: 0,
      cancel: () => {},
    }));
  }

  start(): void {
    this.#running = true;
    for (const target of this.#targets) void this.#dial(target);
  }

  stop(): void {
    this.#running = false;
    for (const target of this.#targets) target.cancel();
  }

  /** Whether it is one of these nodes, as far as is known. */
  includes(nodeId: string): boolean {
    return this.#targets.some(
      (target) => target.nodeId === nodeId || target.address.endsWith(`/p2p/${nodeId}`),
    );
  }

  /** For a peer's last connection closing. */
  disconnected(nodeId: string): void {
    for (const target of this.#targets) if (target.nodeId === nodeId) this.#retry(target);
  }

  async #dial(target: Target): Promise<void> {
    const { dial, isConnected, log } = this.#components;
    if (target.nodeId !== null && isConnected(target.nodeId)) return;
    try {
      target.nodeId = await dial(target.address);
      target.failures = 0;
      // It may have gone between answering and being known here.
      if (!isConnected(target.nodeId)) this.#retry(target);
    } catch (error) {
      if (target.failures === 0) {
        log.info({ err: error, address: target.address }, 'A bootstrap node does not answer; trying again');
      }
      target.failures++;
      this.#retry(target);
    }
  }

  #retry(target: Target): void {
    target.cancel();
    if (!this.#running) return;
    const delayMs = Math.min(FIRST_RETRY_MS * 2 ** target.failures, LAST_RETRY_MS);
    target.cancel = this.#components.clock.after(delayMs, () => void this.#dial(target));
  }
}
