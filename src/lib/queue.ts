import { abortError, throwIfAborted } from './abort.ts';
import { MeshError } from './errors.ts';

/** Whose work it is: the owner's, that of somebody the owner knows, or anybody's. */
export type Standing = 'own' | 'known' | 'stranger';

/** For whom a task runs; all tasks with one key share its bounds and its turn. */
export interface Party {
  readonly key: string;
  readonly standing: Standing;
}

/** Tasks of one kind: `concurrency` of them may run at once. */
export interface Lane {
  readonly key: string;
  readonly concurrency: number;
}

export interface WorkQueueInit {
  /** Tasks that may run at once, over all lanes. */
  concurrency: number;
  /** Tasks that may wait, over all lanes; one more is refused. */
  maxWaiting: number;
  /** Tasks of the owner, and of all others, that may wait in one lane: a slow lane must not fill the queue for the others. */
  maxWaitingPerLane: number;
  /** Called in a turn of its own when there is room again after somebody was refused. */
  onRoom?: () => void;
}

/** Shares of slots and of waiting places. Only the owner is never held to one, so its work always finds a place. */
const SHARES = {
  /** Kept for the owner: a quarter of the slots, an eighth of the waiting places. */
  own: { slots: 1 / 4, waiting: 1 / 8 },
  /** All strangers together, since identities cost nothing. */
  strangers: { slots: 1 / 2, waiting: 1 / 4 },
  /** One stranger. */
  stranger: { slots: 1 / 4, waiting: 1 / 16 },
  /** Waiting places of one known party; of slots it may have all that others may have but one. */
  known: { waiting: 1 / 2 },
} as const;

/** A bound and what of it is in use. */
class Share {
  used = 0;
  readonly limit: number;

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
interface Bounds {
  readonly places: Share;
  readonly slots: Share;
}

interface LaneState {
  readonly lane: Lane;
  readonly all: Share;
  readonly own: Share;
  readonly others: Bounds;
  /** Started tickets without a slot: the owner's in order, the others' by party, whose turns go round. */
  readonly waitingOwn: Set<Entry>;
  readonly waiting: Record<'known' | 'stranger', Map<string, Set<Entry>>>;
  /** Whose turn it is among the others. */
  turn: 'known' | 'stranger';
  /** Tickets that name it. */
  held: number;
}

interface PartyState {
  readonly bounds: Bounds;
  held: number;
}

interface Entry {
  readonly party: Party;
  /** Where its place is counted, and where it runs; the same but for work that is routed elsewhere. */
  asked: LaneState;
  runs: LaneState;
  readonly places: Share[];
  slots: Share[];
  state: 'admitted' | 'waiting' | 'running' | 'released';
  begin: () => void;
  yield: (() => void) | undefined;
}

/** A place in the queue; whoever has one runs in the end. */
export interface Ticket {
  /** Lane that its place counts in. */
  readonly lane: Lane;
  readonly party: Party;
  /**
   * Resolves when there is a slot; once only. Rejects with the signal's reason when that aborts first; the place is
   * kept until released. A stranger's `onYield` is called at most once, where the owner waits for the only slot.
   */
  start(options?: { lane?: Lane; signal?: AbortSignal; onYield?: () => void }): Promise<void>;
  /** Gives place and slot back; again is fine. */
  release(): void;
}

/**
 * A bounded work queue. Places are taken at admission. The owner's tasks go first and have places that nobody else
 * can take; the others' take turns, party by party, within bounds for each and for all strangers together. Lanes
 * with work take turns, so none starves another.
 */
export class WorkQueue {
  readonly #init: WorkQueueInit;
  readonly #all: Bounds;
  readonly #others: Bounds;
  readonly #strangers: Bounds;
  /** Lanes and parties with a ticket, so bounded by the places. */
  readonly #lanes = new Map<string, LaneState>();
  readonly #parties = new Map<string, PartyState>();
  /** Lanes in which somebody waits for a slot, in the order of their turns. */
  readonly #waiting = new Set<LaneState>();
  /** Strangers that run and can be told to make room; the newest has done least. */
  readonly #yielding = new Set<Entry>();
  #refused = false;

  constructor(init: WorkQueueInit) {
    this.#init = init;
    const { concurrency, maxWaiting } = init;
    this.#all = bounds(concurrency, maxWaiting);
    this.#others = bounds(
      concurrency - kept(concurrency, SHARES.own.slots),
      maxWaiting - Math.floor(maxWaiting * SHARES.own.waiting),
    );
    this.#strangers = this.#shareOf(SHARES.strangers);
  }

  get running(): number {
    return this.#all.slots.used;
  }

  /** Places taken: tasks that run, wait, or are on their way. */
  get size(): number {
    return this.#all.places.used;
  }

  /** `size` over the most there may be; 1 means full. */
  get load(): number {
    return this.size / this.#all.places.limit;
  }

  /** Places taken in one lane. */
  sizeOf(key: string): number {
    const lane = this.#lanes.get(key);
    return lane === undefined ? 0 : lane.own.used + lane.others.places.used;
  }

  /** Whether one more task of this party would be admitted now. */
  hasRoom(lane: Lane, party: Party): boolean {
    const state = this.#lanes.get(lane.key) ?? this.#newLane(lane);
    const fits = Share.fits(
      this.#placesOf(state, party, this.#parties.get(party.key) ?? this.#newParty(party)),
    );
    if (!fits) this.#refused = true;
    return fits;
  }

  /** Takes a place at once; undefined where there is none for this party. */
  admit(lane: Lane, party: Party): Ticket | undefined {
    if (!this.hasRoom(lane, party)) return undefined;
    const asked = this.#enter(lane);
    const partyState = this.#parties.get(party.key) ?? this.#newParty(party);
    this.#parties.set(party.key, partyState);
    partyState.held++;
    const places = this.#placesOf(asked, party, partyState);
    Share.take(places);
    const entry: Entry = {
      party,
      asked,
      runs: asked,
      places,
      slots: [],
      state: 'admitted',
      begin: () => {},
      yield: undefined,
    };
    return {
      lane,
      party,
      start: (options = {}) => this.#start(entry, options),
      release: () => this.#release(entry),
    };
  }

  #start(
    entry: Entry,
    { lane, signal, onYield }: NonNullable<Parameters<Ticket['start']>[0]>,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      if (entry.state !== 'admitted') throw new MeshError('internal', 'A ticket is started once.');
      throwIfAborted(signal);
      if (lane !== undefined && lane.key !== entry.asked.lane.key) entry.runs = this.#enter(lane);
      entry.slots = this.#slotsOf(entry.runs, entry.party);
      entry.yield = onYield;
      const onAbort = (): void => {
        if (entry.state !== 'waiting') return;
        this.#leaveLine(entry);
        entry.state = 'admitted';
        if (signal !== undefined) reject(abortError(signal));
      };
      entry.begin = () => {
        signal?.removeEventListener('abort', onAbort);
        entry.state = 'running';
        Share.take(entry.slots);
        const { standing } = entry.party;
        if (standing !== 'own') entry.runs.turn = standing === 'known' ? 'stranger' : 'known';
        if (standing === 'stranger' && entry.yield !== undefined) this.#yielding.add(entry);
        resolve();
      };
      if (Share.fits(entry.slots)) return entry.begin();
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#joinLine(entry);
    });
  }

  #release(entry: Entry): void {
    const { state, runs, asked, party } = entry;
    if (state === 'released') return;
    if (state === 'waiting') this.#leaveLine(entry);
    entry.state = 'released';
    if (state === 'running') {
      Share.give(entry.slots);
      this.#yielding.delete(entry);
    }
    Share.give(entry.places);
    this.#leave(asked);
    if (runs !== asked) this.#leave(runs);
    const partyState = this.#parties.get(party.key);
    if (partyState !== undefined && --partyState.held === 0) this.#parties.delete(party.key);
    this.#dispatch();
    this.#tellRoom();
  }

  #joinLine(entry: Entry): void {
    const { runs, party } = entry;
    entry.state = 'waiting';
    this.#waiting.add(runs);
    if (party.standing === 'own') {
      runs.waitingOwn.add(entry);
      this.#askToYield(runs);
      return;
    }
    const line = runs.waiting[party.standing];
    const own = line.get(party.key) ?? new Set();
    line.set(party.key, own.add(entry));
  }

  #leaveLine(entry: Entry): void {
    const { runs, party } = entry;
    if (party.standing === 'own') runs.waitingOwn.delete(entry);
    else {
      const line = runs.waiting[party.standing];
      const own = line.get(party.key);
      own?.delete(entry);
      if (own?.size === 0) line.delete(party.key);
    }
    if (!isAwaited(runs)) this.#waiting.delete(runs);
  }

  /** Where a single slot is all there is, none can be kept: a stranger's task ends, so that the owner's need not wait for it. */
  #askToYield(wanted: LaneState): void {
    const running = [...this.#yielding];
    const entry =
      wanted.lane.concurrency === 1 && wanted.all.used > 0
        ? running.find(({ runs }) => runs === wanted)
        : this.#init.concurrency === 1
          ? running.at(-1)
          : undefined;
    if (entry === undefined) return;
    this.#yielding.delete(entry);
    entry.yield?.();
  }

  /** Starts whatever the free slots allow: the owner's first, then lane by lane. */
  #dispatch(): void {
    while (this.#all.slots.used < this.#all.slots.limit) {
      const next = this.#next(ownersTurn) ?? this.#next(othersTurn);
      if (next === undefined) return;
      this.#leaveLine(next);
      // Last in line for the next turn, where somebody still waits.
      const { runs, party } = next;
      if (this.#waiting.delete(runs)) this.#waiting.add(runs);
      if (party.standing !== 'own') {
        const line = runs.waiting[party.standing];
        const more = line.get(party.key);
        if (more !== undefined && line.delete(party.key)) line.set(party.key, more);
      }
      next.begin();
    }
  }

  #next(turn: (lane: LaneState) => Entry | undefined): Entry | undefined {
    for (const lane of this.#waiting) {
      const entry = turn(lane);
      if (entry !== undefined) return entry;
    }
    return undefined;
  }

  #tellRoom(): void {
    if (!this.#refused || this.#init.onRoom === undefined) return;
    this.#refused = false;
    queueMicrotask(this.#init.onRoom);
  }

  #placesOf(lane: LaneState, { standing }: Party, party: PartyState): Share[] {
    if (standing === 'own') return [this.#all.places, lane.own];
    const shares = [this.#all.places, this.#others.places, lane.others.places, party.bounds.places];
    return standing === 'known' ? shares : [...shares, this.#strangers.places];
  }

  #slotsOf(lane: LaneState, { key, standing }: Party): Share[] {
    const shares = [this.#all.slots, lane.all];
    const party = this.#parties.get(key);
    if (standing === 'own' || party === undefined) return shares;
    shares.push(this.#others.slots, lane.others.slots, party.bounds.slots);
    return standing === 'known' ? shares : [...shares, this.#strangers.slots];
  }

  #enter(lane: Lane): LaneState {
    const state = this.#lanes.get(lane.key) ?? this.#newLane(lane);
    this.#lanes.set(lane.key, state);
    state.held++;
    return state;
  }

  #leave(state: LaneState): void {
    if (--state.held === 0) this.#lanes.delete(state.lane.key);
  }

  #newLane(lane: Lane): LaneState {
    const { concurrency } = lane;
    const { maxWaitingPerLane } = this.#init;
    return {
      lane,
      all: new Share(concurrency),
      own: new Share(concurrency + maxWaitingPerLane),
      others: {
        places: new Share(concurrency + maxWaitingPerLane),
        slots: new Share(concurrency - kept(concurrency, SHARES.own.slots)),
      },
      waitingOwn: new Set(),
      waiting: { known: new Map(), stranger: new Map() },
      turn: 'known',
      held: 0,
    };
  }

  #newParty({ standing }: Party): PartyState {
    return { bounds: this.#partyBounds(standing), held: 0 };
  }

  #partyBounds(standing: Standing): Bounds {
    if (standing === 'own') return this.#all;
    if (standing === 'stranger') return this.#shareOf(SHARES.stranger);
    const slots = Math.max(1, this.#others.slots.limit - 1);
    return bounds(slots, Math.ceil(this.#init.maxWaiting * SHARES.known.waiting));
  }

  #shareOf({ slots, waiting }: { slots: number; waiting: number }): Bounds {
    const { concurrency, maxWaiting } = this.#init;
    return bounds(Math.max(1, Math.floor(concurrency * slots)), Math.ceil(maxWaiting * waiting));
  }
}

function bounds(slots: number, waiting: number): Bounds {
  return { places: new Share(slots + waiting), slots: new Share(slots) };
}

/** Slots kept for the owner: none of a single one, else at least one. */
function kept(slots: number, share: number): number {
  return slots < 2 ? 0 : Math.max(1, Math.floor(slots * share));
}

function isAwaited({ waitingOwn, waiting: { known, stranger } }: LaneState): boolean {
  return waitingOwn.size + known.size + stranger.size > 0;
}

function ownersTurn({ waitingOwn }: LaneState): Entry | undefined {
  const [entry] = waitingOwn;
  return entry !== undefined && Share.fits(entry.slots) ? entry : undefined;
}

/** The party whose turn it is; one that has all the slots it may have is passed over. */
function othersTurn({ waiting, turn }: LaneState): Entry | undefined {
  for (const standing of [turn, turn === 'known' ? 'stranger' : 'known'] as const) {
    for (const entries of waiting[standing].values()) {
      const [entry] = entries;
      if (entry !== undefined && Share.fits(entry.slots)) return entry;
    }
  }
  return undefined;
}
