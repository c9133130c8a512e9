import type { Clock } from '../../lib/clock.ts';
import type { Announcer } from './announcer.ts';
import type { Performer } from './performers.ts';

/** Capsules looked at for one change, one after the other; the next lot follows in a turn of its own. */
const LOOKED_AT_PER_TURN = 64;
/** Capsules in a row that found nobody, after which a change is taken to help no other. */
const FRUITLESS = 8;
/** Everything is looked at again after so long, whatever was heard of: not every change is told. */
const LOOK_AGAIN_MS = 5_000;

/** One capsule in line. */
interface Waiting {
  look: () => void;
}

/** The line of one capability: by origin, who take turns. */
type Origins = Map<string, Set<Waiting>>;

/**
 * Capsules that nobody could take, by capability. A change lets them look again, the origins in turn, so that many
 * capsules of one do not keep another's from the room that came.
 */
export class Line {
  readonly #clock: Pick<Clock, 'after'>;
  /** Bounded by the capsules in hand. */
  readonly #lines = new Map<string, Origins>();
  readonly #due = new Set<string>();
  #cancelTurn: (() => void) | undefined;
  #cancelRound = (): void => {};

  constructor({ clock }: { clock: Pick<Clock, 'after'> }) {
    this.#clock = clock;
  }

  start(): void {
    this.#cancelRound = this.#clock.after(LOOK_AGAIN_MS, () => {
      this.changed();
      this.start();
    });
  }

  stop(): void {
    this.#cancelRound();
    this.#cancelTurn?.();
    this.#cancelTurn = undefined;
    this.#due.clear();
  }

  /** Returns the removal. */
  enter(capability: string, origin: string, look: () => void): () => void {
    const origins = this.#lines.get(capability) ?? new Map<string, Set<Waiting>>();
    const waiting = origins.get(origin) ?? new Set();
    const entry: Waiting = { look };
    waiting.add(entry);
    origins.set(origin, waiting);
    this.#lines.set(capability, origins);
    return () => {
      if (!waiting.delete(entry) || waiting.size > 0) return;
      origins.delete(origin);
      if (origins.size === 0) this.#lines.delete(capability);
    };
  }

  /** What waits for this capability, or for any, may find somebody now. */
  changed(capability?: string): void {
    if (capability === undefined) for (const each of this.#lines.keys()) this.#due.add(each);
    else if (this.#lines.has(capability)) this.#due.add(capability);
    if (this.#due.size > 0) this.#cancelTurn ??= this.#clock.after(0, this.#turn);
  }

  readonly #turn = (): void => {
    this.#cancelTurn = undefined;
    const due = [...this.#due];
    this.#due.clear();
    for (const capability of due) this.#lookAt(capability);
  };

  #lookAt(capability: string): void {
    let fruitless = 0;
    let looked = 0;
    for (const [waiting, entry] of inTurns(this.#lines.get(capability))) {
      if (fruitless === FRUITLESS) return;
      if (looked++ === LOOKED_AT_PER_TURN) return this.changed(capability);
      entry.look();
      fruitless = waiting.has(entry) ? fruitless + 1 : 0;
    }
  }
}

/** The first of each origin, then the second of each, as they stand when it begins. */
function* inTurns(origins: Origins | undefined): Generator<[Set<Waiting>, Waiting]> {
  const rows = [...(origins?.values() ?? [])].map((waiting) => ({ waiting, entries: [...waiting] }));
  for (let place = 0; rows.some(({ entries }) => place < entries.length); place++) {
    for (const { waiting, entries } of rows) {
      const entry = entries[place];
      if (entry !== undefined && waiting.has(entry)) yield [waiting, entry];
    }
  }
}

/** In line until the state moves; what is open is also announced. */
export function waitPerformer({ line, announcer }: { line: Line; announcer: Announcer }): Performer<'wait'> {
  return ({ open }, { capsule, raise }) => {
    const look = (): void => raise({ type: 'changed' });
    const leave = line.enter(capsule.requestedCapability, capsule.originIdentity, () => {
      // Bids are collected first, and looked at together.
      if (!announcer.isCollecting(capsule.id)) look();
    });
    const silence = open ? announcer.open(capsule, look) : () => {};
    return () => {
      leave();
      silence();
    };
  };
}
