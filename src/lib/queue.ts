import { abortError, throwIfAborted } from './abort.ts';
import { MeshError } from './errors.ts';
import { Line, type Party } from './line.ts';
import { type Bounds, type LaneBounds, QueueShares, Share, type Standing } from './shares.ts';

export type { Party, Standing };

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
  /** Called in a turn of its own when there is room again after a refusal. */
  onRoom?: () => void;
}

interface LaneState extends LaneBounds {
  /** As it was named last. */
  lane: Lane;
  readonly line: Line<Entry>;
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
  readonly asked: LaneState;
  runs: LaneState;
  readonly places: Share[];
  slots: Share[];
  state: 'admitted' | 'waiting' | 'running' | 'released';
  begin: () => void;
  yield: (() => void) | undefined;
}

export interface StartOptions {
  /** Where it runs, if not where it was asked. */
  lane?: Lane;
  /** What it shares with tasks of other lanes: so many of all that name the same key run at once. */
  shared?: Lane;
  signal?: AbortSignal;
  /** Called at most once, on a stranger's task that runs in the only slot that the owner waits for. */
  onYield?: () => void;
}

/** A place in the queue: its holder is run in the end. */
export interface Ticket {
  readonly party: Party;
  /** Resolves when there is a slot; once only. Rejects with the signal's reason when that aborts first; the place is kept. */
  start(options?: StartOptions): Promise<void>;
  /** Gives place and slot back; again is fine. */
  release(): void;
}

/**
 * A bounded work queue. Places are taken at admission. The owner's tasks go first and have places that no other
 * can take; the others' take turns, party by party, within bounds for each and for all strangers together. Lanes
 * with work take turns, so none starves another.
 */
export class WorkQueue {
  readonly #init: WorkQueueInit;
  readonly #shares: QueueShares;
  /** Lanes and parties with a ticket, so bounded by the places. */
  readonly #lanes = new Map<string, LaneState>();
  readonly #parties = new Map<string, PartyState>();
  /** By what tasks share. As few as the caller knows. */
  readonly #shared = new Map<string, LaneBounds>();
  /** Lanes in which a task waits for a slot, in the order of their turns. */
  readonly #waiting = new Set<LaneState>();
  /** Strangers that run and can be told to make room; the newest has done least. */
  readonly #yielding = new Set<Entry>();
  #refused = false;

  constructor(init: WorkQueueInit) {
    this.#init = init;
    this.#shares = new QueueShares(init.concurrency, init.maxWaiting);
  }

  get running(): number {
    return this.#shares.all.slots.used;
  }

  /** Places taken: tasks that run, wait, or are on their way. */
  get size(): number {
    return this.#shares.all.places.used;
  }

  /** `size` over the most there may be; 1 means full. */
  get load(): number {
    return this.size / this.#shares.all.places.limit;
  }

  /** Places taken in one lane. */
  sizeOf(key: string): number {
    const lane = this.#lanes.get(key);
    return lane === undefined ? 0 : lane.own.used + lane.others.places.used;
  }

  /** Whether one more task of this party would be admitted now. */
  hasRoom(lane: Lane, party: Party): boolean {
    const fits = Share.fits(this.#placesOf(this.#lane(lane), party, this.#party(party)));
    if (!fits) this.#refused = true;
    return fits;
  }

  /** Takes a place at once; undefined where there is none for this party. */
  admit(lane: Lane, party: Party): Ticket | undefined {
    if (!this.hasRoom(lane, party)) return undefined;
    const asked = this.#enter(lane);
    const partyState = this.#party(party);
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
      party,
      start: (options = {}) => this.#start(entry, options),
      release: () => this.#release(entry),
    };
  }

  #start(entry: Entry, { lane, shared, signal, onYield }: StartOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      if (entry.state !== 'admitted') throw new MeshError('internal', 'A ticket is started once.');
      throwIfAborted(signal);
      if (lane !== undefined && lane.key !== entry.asked.lane.key) entry.runs = this.#enter(lane);
      entry.slots = [
        ...this.#slotsOf(entry.runs, entry.party),
        ...(shared === undefined ? [] : this.#sharedSlots(shared, entry.party)),
      ];
      entry.yield = onYield;
      const onAbort = (): void => {
        if (entry.state !== 'waiting' || signal === undefined) return;
        this.#leaveLine(entry);
        entry.state = 'admitted';
        reject(abortError(signal));
      };
      entry.begin = () => {
        signal?.removeEventListener('abort', onAbort);
        this.#begin(entry);
        resolve();
      };
      if (Share.fits(entry.slots)) return entry.begin();
      signal?.addEventListener('abort', onAbort, { once: true });
      entry.state = 'waiting';
      entry.runs.line.join(entry);
      this.#waiting.add(entry.runs);
      if (entry.party.standing === 'own') this.#askToYield(entry.runs);
    });
  }

  #begin(entry: Entry): void {
    entry.state = 'running';
    Share.take(entry.slots);
    entry.runs.line.hadTurn(entry.party);
    if (entry.party.standing === 'stranger' && entry.yield !== undefined) this.#yielding.add(entry);
  }

  #release(entry: Entry): void {
    const { state, runs, asked, party } = entry;
    if (state === 'released') return;
    entry.state = 'released';
    if (state === 'waiting') this.#leaveLine(entry);
    if (state === 'running') Share.give(entry.slots);
    this.#yielding.delete(entry);
    Share.give(entry.places);
    this.#leave(asked);
    if (runs !== asked) this.#leave(runs);
    const partyState = this.#parties.get(party.key);
    if (partyState !== undefined && --partyState.held === 0) this.#parties.delete(party.key);
    this.#dispatch();
    this.#tellRoom();
  }

  #leaveLine(entry: Entry): void {
    entry.runs.line.leave(entry);
    if (entry.runs.line.isEmpty) this.#waiting.delete(entry.runs);
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
    const { slots } = this.#shares.all;
    while (slots.used < slots.limit) {
      const next = this.#next((line) => line.nextOwn()) ?? this.#next((line) => line.nextOther());
      if (next === undefined) return;
      this.#leaveLine(next);
      // Last in line for the next turn, where tasks still wait.
      if (this.#waiting.delete(next.runs)) this.#waiting.add(next.runs);
      next.begin();
    }
  }

  #next(pick: (line: Line<Entry>) => Entry | undefined): Entry | undefined {
    for (const { line } of this.#waiting) {
      const entry = pick(line);
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
    const { all, others, strangers } = this.#shares;
    if (standing === 'own') return [all.places, lane.own];
    const shares = [all.places, others.places, lane.others.places, party.bounds.places];
    return standing === 'known' ? shares : [...shares, strangers.places];
  }

  #slotsOf(lane: LaneState, party: Party): Share[] {
    const { all, others, strangers } = this.#shares;
    if (party.standing === 'own') return [all.slots, lane.all];
    const { slots } = this.#party(party).bounds;
    const shares = [all.slots, lane.all, others.slots, lane.others.slots, slots];
    return party.standing === 'known' ? shares : [...shares, strangers.slots];
  }

  /** One of them is kept for the owner, as in a lane. */
  #sharedSlots({ key, concurrency }: Lane, { standing }: Party): Share[] {
    const bounds = this.#shared.get(key) ?? QueueShares.ofLane(concurrency, 0);
    this.#shared.set(key, bounds);
    return standing === 'own' ? [bounds.all] : [bounds.all, bounds.others.slots];
  }

  #party({ key, standing }: Party): PartyState {
    return this.#parties.get(key) ?? { bounds: this.#shares.ofParty(standing), held: 0 };
  }

  #lane(lane: Lane): LaneState {
    const known = this.#lanes.get(lane.key);
    const { maxWaitingPerLane } = this.#init;
    if (known !== undefined) {
      if (known.lane.concurrency !== lane.concurrency) {
        QueueShares.resizeLane(known, lane.concurrency, maxWaitingPerLane);
        known.lane = lane;
      }
      return known;
    }
    const bounds = QueueShares.ofLane(lane.concurrency, maxWaitingPerLane);
    return { lane, ...bounds, line: new Line(), held: 0 };
  }

  #enter(lane: Lane): LaneState {
    const state = this.#lane(lane);
    this.#lanes.set(lane.key, state);
    state.held++;
    return state;
  }

  #leave(state: LaneState): void {
    if (--state.held === 0) this.#lanes.delete(state.lane.key);
  }
}
