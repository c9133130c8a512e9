import type { Clock } from '../lib/clock.ts';
import { MeshError } from '../lib/errors.ts';
import { TokenBuckets } from '../network/token-bucket.ts';
import { OWNER_NAME, type Principal } from './principal.ts';

export interface QuotaInit {
  requestsPerSecond: number;
  streams: number;
  capsules: number;
}

/** Requests that may come at once after a pause, in seconds' worth of the rate: a page asks for several things. */
const BURST_SECONDS = 4;

/**
 * What one principal may ask of the node at a time, so that a faulty tool does not shut out the owner and the other
 * tools. The owner is held to none of it.
 */
export class Quotas {
  readonly #buckets: TokenBuckets;
  readonly #init: QuotaInit;
  /** By principal: ids of capsules that have not ended. */
  readonly #capsules = new Map<string, Set<string>>();

  constructor(components: { clock: Clock }, init: QuotaInit) {
    this.#buckets = new TokenBuckets(components);
    this.#init = init;
  }

  /** Counts a request. Throws `rate_limited`. */
  request({ name }: Principal): void {
    if (name === OWNER_NAME) return;
    const perSecond = this.#init.requestsPerSecond;
    const bucket = this.#buckets.of(name, { perSecond, burst: perSecond * BURST_SECONDS });
    if (bucket.left < 1)
      throw refused('rate_limited', name, 'requests a second', perSecond, 'api.requestsPerSecond');
    bucket.take(1);
  }

  /** Holds a place for a capsule until it has ended. Throws `busy`. */
  capsule({ name }: Pick<Principal, 'name'>, id: string): void {
    if (name === OWNER_NAME) return;
    const held = this.#capsules.get(name) ?? new Set();
    if (held.has(id)) return;
    if (held.size >= this.#init.capsules)
      throw refused('busy', name, 'capsules under way', this.#init.capsules, 'api.capsulesPerToken');
    this.#capsules.set(name, held.add(id));
  }

  /** The capsule has ended, or was not taken. */
  release({ name }: Pick<Principal, 'name'>, id: string): void {
    const held = this.#capsules.get(name);
    held?.delete(id);
    if (held?.size === 0) this.#capsules.delete(name);
  }

  /** Capsules under way. */
  held(name: string): number {
    return this.#capsules.get(name)?.size ?? 0;
  }
}

function refused(
  code: 'busy' | 'rate_limited',
  name: string,
  what: string,
  limit: number,
  setting: string,
): MeshError {
  const message = `The token "${name}" has its ${limit} ${what} already; "${setting}" sets how many.`;
  return new MeshError(code, message, { limit, setting });
}
