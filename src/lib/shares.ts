/** Whose work it is: the owner's, that of an identity the owner named, or a stranger's. */
export type Standing = 'own' | 'known' | 'stranger';

/** What each may have of the slots and of the waiting places. Only the owner is held to no share, so its work finds a place. */
const SHARES = {
  /** Kept for the owner. */
  own: { slots: 1 / 4, waiting: 1 / 8 },
  /** All strangers together, since identities cost nothing. */
  strangers: { slots: 1 / 2, waiting: 1 / 4 },
  /** One stranger. */
  stranger: { slots: 1 / 4, waiting: 1 / 16 },
  /** Waiting places of one known party; of slots it may have all that others may have but one. */
  known: { waiting: 1 / 2 },
} as const;

/** A bound and what of it is in use. */
export class Share {
  used = 0;
  limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  static fits(shares: readonly Share[]): boolean {
    return shares.every(({ used, limit }) => used < limit);
  }

  static take(shares: readonly Share[]): void {
    for (const share of shares) share.used++;
  }

  static give(shares: readonly Share[]): void {
    for (const share of shares) share.used--;
  }
}

/** A pair of bounds: places are held from admission on, slots while running. */
export interface Bounds {
  readonly places: Share;
  readonly slots: Share;
}

/** The bounds of one lane: of all that run in it, and of what is asked of it by the owner and by others. */
export interface LaneBounds {
  readonly all: Share;
  readonly own: Share;
  readonly others: Bounds;
}

/** The bounds of a queue of this size. */
export class QueueShares {
  readonly all: Bounds;
  readonly others: Bounds;
  readonly strangers: Bounds;
  readonly #concurrency: number;
  readonly #maxWaiting: number;

  constructor(concurrency: number, maxWaiting: number) {
    this.#concurrency = concurrency;
    this.#maxWaiting = maxWaiting;
    this.all = bounds(concurrency, maxWaiting);
    this.others = bounds(
      concurrency - keptSlots(concurrency),
      maxWaiting - Math.floor(maxWaiting * SHARES.own.waiting),
    );
    this.strangers = this.#shareOf(SHARES.strangers);
  }

  ofParty(standing: Standing): Bounds {
    if (standing === 'own') return this.all;
    if (standing === 'stranger') return this.#shareOf(SHARES.stranger);
    const slots = Math.max(1, this.others.slots.limit - 1);
    return bounds(slots, Math.ceil(this.#maxWaiting * SHARES.known.waiting));
  }

  static ofLane(concurrency: number, maxWaiting: number): LaneBounds {
    return {
      all: new Share(concurrency),
      own: new Share(concurrency + maxWaiting),
      others: {
        places: new Share(concurrency + maxWaiting),
        slots: new Share(concurrency - keptSlots(concurrency)),
      },
    };
  }

  /** What runs beyond a smaller bound goes on. */
  static resizeLane(lane: LaneBounds, concurrency: number, maxWaiting: number): void {
    const { all, own, others } = QueueShares.ofLane(concurrency, maxWaiting);
    lane.all.limit = all.limit;
    lane.own.limit = own.limit;
    lane.others.places.limit = others.places.limit;
    lane.others.slots.limit = others.slots.limit;
  }

  #shareOf({ slots, waiting }: { slots: number; waiting: number }): Bounds {
    return bounds(Math.max(1, Math.floor(this.#concurrency * slots)), Math.ceil(this.#maxWaiting * waiting));
  }
}

function bounds(slots: number, waiting: number): Bounds {
  return { places: new Share(slots + waiting), slots: new Share(slots) };
}

/** Slots kept for the owner: none of a single one, else at least one. */
function keptSlots(slots: number): number {
  return slots < 2 ? 0 : Math.max(1, Math.floor(slots * SHARES.own.slots));
}
