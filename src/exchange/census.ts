import type { ErrorBody } from '../../protocols/common/v1/errors.ts';
import type { Share, State } from './machine/state.ts';

/** What the node's own work can always have of all places; the same fraction is the most that one party may have. */
const OWN_PART = 1 / 4;
/** The most that one origin, or one node that orders, may have of the places that are not reserved. */
const PARTY_PART = 1 / 4;
/** The most that all strangers together may have of them. */
const STRANGERS_PART = 1 / 2;

export interface Party {
  /** Identity. */
  origin: string;
  /** Node that brought it. */
  peer: string;
  share: Share;
}

/**
 * Who has how many capsules in hand here (protocol "Privacy", quotas): they count against the origin, the peer that
 * ordered, and all strangers together, and the fullest decides. The node's own work has a part that nobody else can take.
 */
export class Census {
  readonly #maxActive: number;
  readonly #counted = new Map<string, Party>();
  readonly #origins = new Map<string, number>();
  readonly #peers = new Map<string, number>();
  #strangers = 0;

  constructor({ maxActive }: { maxActive: number }) {
    this.#maxActive = maxActive;
  }

  /** Keeps count of a capsule for as long as it is open. */
  note({ id, open, originIdentity: origin, coordinator: peer, share }: State): void {
    const known = this.#counted.get(id);
    if (open && known === undefined) this.#count(id, { origin, peer, share });
    else if (!open && known !== undefined) this.#forget(id, known);
  }

  clear(): void {
    for (const counts of [this.#counted, this.#origins, this.#peers]) counts.clear();
    this.#strangers = 0;
  }

  /** Why one more is not taken; null where it is. */
  refusal({ origin, peer, share }: Party): ErrorBody | null {
    const full = this.#counted.size >= this.#maxActive;
    if (share === 'own')
      return full ? busy('This node has as many capsules in hand as it can; try again shortly.') : null;
    const places = Math.floor(this.#maxActive * (1 - OWN_PART));
    if (full || this.#counted.size >= places) return busy('This node has as many capsules in hand as it can.');
    const most = Math.max(1, Math.floor(places * PARTY_PART));
    if ((this.#origins.get(origin) ?? 0) >= most || (this.#peers.get(peer) ?? 0) >= most)
      return busy('You have as many capsules in hand here as one may have.');
    if (share === 'stranger' && this.#strangers >= places * STRANGERS_PART)
      return busy('All places for strangers are taken.');
    return null;
  }

  #count(id: string, party: Party): void {
    this.#counted.set(id, party);
    add(this.#origins, party.origin, 1);
    add(this.#peers, party.peer, 1);
    if (party.share === 'stranger') this.#strangers++;
  }

  #forget(id: string, party: Party): void {
    this.#counted.delete(id);
    add(this.#origins, party.origin, -1);
    add(this.#peers, party.peer, -1);
    if (party.share === 'stranger') this.#strangers--;
  }
}

function add(counts: Map<string, number>, key: string, change: number): void {
  const count = (counts.get(key) ?? 0) + change;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}

function busy(message: string): ErrorBody {
  return { code: 'busy', message };
}
