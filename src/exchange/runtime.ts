import type { Logger } from 'pino';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import { MeshError } from '../lib/errors.ts';
import type { Decision } from '../market/types.ts';
import type { Database, HistoryEntry, Transaction } from '../store/types.ts';
import type { Census } from './census.ts';
import type { Capsules } from './components.ts';
import type { Batch } from './effects/batch.ts';
import { begin, type Performers } from './effects/performers.ts';
import type { Replies } from './effects/replies.ts';
import type { EventLog } from './event-log.ts';
import type { Limits } from './machine/draft.ts';
import type { Change, Effect } from './machine/effect.ts';
import { effectsOf } from './machine/effects-of.ts';
import type { Event } from './machine/event.ts';
import type { State } from './machine/state.ts';
import type { Stepper } from './stepper.ts';

/** Events that a crash may take back: whoever said it says it again. */
const RELAXED: ReadonlySet<Event['type']> = new Set([
  'accepted',
  'acknowledged',
  'refused',
  'parted',
  'offered',
]);

/** A capsule in hand. Everything about it that matters is in `state`, as it is in the store. */
interface Entry {
  readonly capsule: Capsule;
  state: State;
  /** Effects under way, by key; the value ends one. */
  readonly effects: Map<string, () => void>;
  /** Newest first decided, for `explain`; stored when the capsule ends. */
  decisions: Decision[];
  /** When all that was staged of it so far is on the disk. */
  durable: Promise<void>;
  /** Its first effects of this life are about to begin. */
  recovered: boolean;
}

/** One step that is staged in a transaction. */
interface Staged {
  entry: Entry;
  before: State | undefined;
  change: Change;
  event: Event;
}

interface RuntimeComponents {
  db: Database;
  capsules: Capsules;
  events: EventLog;
  stepper: Stepper;
  batch: Batch;
  census: Census;
  replies: Replies;
  performers: Performers;
  log: Logger;
}

/**
 * The loop around the machine: load, step, commit the state and its rows in one synced batch, then perform what the
 * new state asks for. A start performs what the stored states ask for, on the same path.
 */
export class Runtime {
  readonly #parts: RuntimeComponents;
  readonly #limits: Limits;
  /** Capsules that ask for something; admission bounds them. */
  readonly #entries = new Map<string, Entry>();
  #stopped = false;

  constructor(components: RuntimeComponents, init: Limits) {
    this.#parts = components;
    this.#limits = init;
  }

  state(id: string): State | undefined {
    return this.#entries.get(id)?.state ?? this.#parts.capsules.row(id);
  }

  /** Only of a capsule that asks for something: nothing is read for whoever speaks of others. */
  stateInHand(id: string): State | undefined {
    return this.#entries.get(id)?.state;
  }

  capsule(id: string): Capsule | undefined {
    return this.#entries.get(id)?.capsule ?? this.#parts.capsules.get(id);
  }

  /** Resolves when all that is known of it now is on the disk; rejects where the disk does not take it. */
  async durable(id: string): Promise<void> {
    await this.#entries.get(id)?.durable;
  }

  decisions(id: string): Decision[] | undefined {
    return this.#entries.get(id)?.decisions;
  }

  /** Takes up what the stored states ask for. Gives how many there were. */
  async start(mayRepeat: (state: State) => boolean): Promise<number> {
    this.#stopped = false;
    let found = 0;
    const before: Promise<void>[] = [];
    for await (const row of this.#parts.capsules.open()) {
      if (this.#entries.has(row.id)) continue;
      found += 1;
      const event: Event = { type: 'restarted', mayRepeat: mayRepeat(row) };
      before.push(this.take(row.id, event, { recovered: true }));
    }
    await Promise.all(before);
    return found;
  }

  /** Ends every effect, and nothing else: what is stored is taken up at the next start. */
  stop(): void {
    this.#stopped = true;
    for (const { effects } of this.#entries.values()) {
      for (const end of effects.values()) end();
      effects.clear();
    }
    this.#entries.clear();
  }

  /**
   * Takes one event to its capsule. Resolves when what it changed is durable and told. Rejects with `busy` where the disk
   * has no room for one more capsule, and then nothing has happened.
   */
  async take(id: string, event: Event, { recovered = false } = {}): Promise<void> {
    if (this.#stopped) throw new MeshError('interrupted', 'The node is stopping.');
    const tx = this.#parts.db.transaction();
    const staged = this.#stage(tx, id, event, recovered);
    if (staged === undefined) return;
    await this.#settle(staged, this.#commit(tx, staged));
  }

  /** For events of the node's own, which nobody waits for. */
  readonly raise = (id: string, event: Event): void => {
    this.take(id, event).catch((error: unknown) => {
      if (!this.#stopped)
        this.#parts.log.error({ capsuleId: id, event: event.type, err: error }, 'An event was not taken');
    });
  };

  /** What follows a commit: early effects at once, all else when it is durable. */
  async #settle(staged: readonly Staged[], durable: Promise<void>): Promise<void> {
    // A receipt that is not on the disk proves nothing to anybody yet, so nothing that follows from a run begins early.
    const early = staged.every(({ event }) => event.type !== 'ran') ? isEarly : () => false;
    for (const one of staged) {
      one.entry.durable = durable;
      this.#follow(one.entry, early);
    }
    try {
      await durable;
    } catch (error) {
      for (const { entry } of staged) this.#letGo(entry);
      throw error;
    }
    if (this.#stopped) return;
    for (const one of staged) {
      // What was staged since is not on the disk yet, and is followed when it is.
      if (one.entry.durable === durable) this.#follow(one.entry);
      this.#tell(one);
    }
  }

  #commit(tx: Transaction, staged: readonly Staged[]): Promise<void> {
    const changed = staged.some(({ before, change }) => change.state !== before || change.writes.length > 0);
    if (!changed) return staged[0]?.entry.durable ?? Promise.resolve();
    return tx.commit({ done: true, relaxed: staged.every(({ event }) => RELAXED.has(event.type)) });
  }

  /** Step after step, the scheduler asked in between, children included; all in one transaction. */
  #stage(tx: Transaction, id: string, event: Event, recovered: boolean): Staged[] | undefined {
    const { db, capsules, batch, census, stepper } = this.#parts;
    const known = this.#entries.get(id);
    const before = known?.state ?? capsules.row(id, tx);
    // What is known was verified; what an order brings again was not.
    const stored = known?.capsule ?? (before === undefined ? undefined : capsules.get(id));
    const capsule = stored ?? ('capsule' in event ? event.capsule : undefined);
    // Pruned in the meantime.
    if (capsule === undefined) return undefined;
    if (before !== undefined && event.type === 'spawned') return [];
    // What is in hand goes on however slow the disk is: a run would be begun a second time.
    if (before === undefined && event.type !== 'spawned' && !db.hasRoom)
      throw new MeshError('busy', 'The disk does not keep up.');
    const decisions = known?.decisions ?? [];
    const change = stepper.step(before, capsule, event, decisions);
    const state = batch.stage(tx, before, change);
    const entry = known ?? this.#enter(capsule, state, decisions, recovered);
    entry.state = state;
    census.note(state);
    const children = change.writes.flatMap((write) => {
      if (write.kind !== 'spawn') return [];
      const { root, submitter, share } = state;
      const { capsule, coordinator, patient } = write;
      const born = { capsule, coordinator, root, submitter, share, patient };
      return this.#stage(tx, write.capsule.id, { type: 'spawned', ...born }, false) ?? [];
    });
    return [{ entry, before, change: { ...change, state }, event }, ...children];
  }

  #enter(capsule: Capsule, state: State, decisions: Decision[], recovered: boolean): Entry {
    const durable = Promise.resolve();
    const entry: Entry = { capsule, state, effects: new Map(), decisions, durable, recovered };
    if (state.open) this.#entries.set(capsule.id, entry);
    return entry;
  }

  /**
   * Ends effects that the state does not ask for any more, and begins the new ones; only those that `early` admits
   * while the state is not on the disk.
   */
  #follow(entry: Entry, early?: (effect: Effect) => boolean): void {
    if (this.#stopped) return;
    const { capsule, state, effects } = entry;
    const wanted = new Map(effectsOf(state, capsule, this.#limits).map((effect) => [effect.key, effect]));
    for (const [key, end] of effects) {
      if (wanted.has(key)) continue;
      effects.delete(key);
      end();
    }
    for (const [key, effect] of wanted) {
      if (effects.has(key) || early?.(effect) === false) continue;
      this.#begin(entry, effect);
    }
    if (early !== undefined) return;
    entry.recovered = false;
    // Closed ones stay until they are on the disk, so that nothing is told of them before.
    if (!state.open) this.#entries.delete(capsule.id);
  }

  #begin(entry: Entry, effect: Effect): void {
    const { id } = entry.capsule;
    const end = begin(this.#parts.performers, effect, {
      capsule: entry.capsule,
      state: () => entry.state,
      recovered: entry.recovered,
      raise: (event) => this.raise(id, event),
      stage: (tx, event) => {
        const staged = this.#stage(tx, id, event, false) ?? [];
        return (durable) => this.#settle(staged, durable);
      },
    });
    entry.effects.set(effect.key, end);
  }

  #tell({ entry, before, change }: Staged): void {
    const { events, replies } = this.#parts;
    const { id: capsuleId, executor, error } = change.state;
    for (const { status, note } of newStatuses(before, change.state)) {
      if (status === 'completed' || status === 'failed')
        events.emit({ type: 'done', capsuleId, status, error });
      else events.emit({ type: 'status', capsuleId, status, executor, ...(note !== undefined && { note }) });
    }
    for (const reply of change.replies) replies.send(entry.capsule, entry.state, reply);
  }

  /** The store failed: nothing more comes of it in this life. */
  #letGo({ capsule, effects }: Entry): void {
    for (const end of effects.values()) end();
    effects.clear();
    this.#entries.delete(capsule.id);
    this.#parts.census.forget(capsule.id);
  }
}

/** What the history tells since then, where the status changed. */
function newStatuses(before: State | undefined, { history }: State): HistoryEntry[] {
  const last = before?.history.at(-1);
  const known = last === undefined ? -1 : history.lastIndexOf(last);
  return history.filter(({ status }, at) => at > known && status !== history[at - 1]?.status);
}

function isEarly(effect: Effect): boolean {
  return 'early' in effect && effect.early;
}
