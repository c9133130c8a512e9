import type { ErrorBody } from '../../protocols/common/v1/errors.ts';
import type { Share, State } from './machine/state.ts';

/** What the node's own work can always have of all places; the same fraction is the most that one party may have. */
const OWN_PART = 1 / 4;
const PARTY_PART = 1 / 4;
/** The most that all strangers together may have of what is not reserved. */
const STRANGERS_PART = 1 / 2;
/** Characters of capsules in hand for others: they are in memory while something is owed for them. */
const MAX_CHARS = 256 * 1_048_576;

export interface Party {
  /** Identity. */
  origin: string;
  /** Node that brought it. */
  peer: string;
  share: Share;
}

/** Capsules in hand, and their characters. */
interface Tally {
  count: number;
  chars: number;
}

/**
 * Who has how many capsules in hand here (protocol "Privacy", quotas): they count against the origin, the peer that
 * ordered, and all strangers together, and the fullest decides. The node's own work has a part that nobody else can take.
 */
export class Census {
  readonly #maxActive: number;
  readonly #counted = new Map<string, { keys: string[]; chars: number }>();
  readonly #tallies = new Map<string, Tally>();

  constructor({ maxActive }: { maxActive: number }) {
    this.#maxActive = maxActive;
  }

  /** Keeps count of a capsule for as long as it is open. */
  note({ id, open, originIdentity: origin, coordinator: peer, share, bytes: chars }: State): void {
    const known = this.#counted.has(id);
    if (!open && known) this.forget(id);
    if (!open || known) return;
    const keys = keysOf({ origin, peer, share });
    this.#counted.set(id, { keys, chars });
    this.#add(keys, 1, chars);
  }

  forget(id: string): void {
    const known = this.#counted.get(id);
    this.#counted.delete(id);
    if (known !== undefined) this.#add(known.keys, -1, -known.chars);
  }

  clear(): void {
    this.#counted.clear();
    this.#tallies.clear();
  }

  /** Why one more is not taken; null where it is. */
  refusal(party: Party): ErrorBody | null {
    const full = this.#counted.size >= this.#maxActive;
    if (party.share === 'own')
      return full ? busy('This node has as many capsules in hand as it can; try again shortly.') : null;
    const places = Math.floor(this.#maxActive * (1 - OWN_PART));
    if (full || this.#isFull(OTHERS, places, 1))
      return busy('This node has as many capsules in hand as it can.');
    for (const key of keysOf(party)) {
      const part = key === OTHERS ? 1 : key === STRANGERS ? STRANGERS_PART : PARTY_PART;
      if (this.#isFull(key, places, part))
        return busy('You have as many capsules in hand here as you may have.');
    }
    return null;
  }

  #isFull(key: string, places: number, part: number): boolean {
    const { count, chars } = this.#tallies.get(key) ?? { count: 0, chars: 0 };
    return count >= Math.max(1, Math.floor(places * part)) || chars >= MAX_CHARS * part;
  }

  #add(keys: readonly string[], count: number, chars: number): void {
    for (const key of keys) {
      const tally = this.#tallies.get(key) ?? { count: 0, chars: 0 };
      const next = { count: tally.count + count, chars: tally.chars + chars };
      if (next.count > 0) this.#tallies.set(key, next);
      else this.#tallies.delete(key);
    }
  }
}

const OTHERS = 'others';
const STRANGERS = 'strangers';

/** What a capsule counts against. Identities and node ids are told apart by their form. */
function keysOf({ origin, peer, share }: Party): string[] {
  if (share === 'own') return [];
  return [OTHERS, origin, peer, ...(share === 'stranger' ? [STRANGERS] : [])];
}

function busy(message: string): ErrorBody {
  return { code: 'busy', message };
}
