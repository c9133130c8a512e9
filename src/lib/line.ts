import { Share, type Standing } from './shares.ts';

/** For whom a task runs; all tasks with one key share its bounds and its turn. */
export interface Party {
  readonly key: string;
  readonly standing: Standing;
}

export interface Waiting {
  readonly party: Party;
  /** What it needs to run. */
  readonly slots: readonly Share[];
}

/** Tasks that wait in one lane: the owner's in order, parties in turn, each party's tasks in order. */
export class Line<T extends Waiting> {
  readonly #own = new Set<T>();
  readonly #others = { known: new Map<string, Set<T>>(), stranger: new Map<string, Set<T>>() };
  #turn: 'known' | 'stranger' = 'known';

  get isEmpty(): boolean {
    return this.#own.size + this.#others.known.size + this.#others.stranger.size === 0;
  }

  join(task: T): void {
    const { key, standing } = task.party;
    if (standing === 'own') {
      this.#own.add(task);
      return;
    }
    const parties = this.#others[standing];
    const tasks = parties.get(key) ?? new Set();
    parties.set(key, tasks.add(task));
  }

  leave(task: T): void {
    const { key, standing } = task.party;
    if (standing === 'own') this.#own.delete(task);
    else {
      const parties = this.#others[standing];
      const tasks = parties.get(key);
      tasks?.delete(task);
      if (tasks?.size === 0) parties.delete(key);
    }
  }

  /** The owner's next task, if it can run. */
  nextOwn(): T | undefined {
    const [task] = this.#own;
    return task !== undefined && Share.fits(task.slots) ? task : undefined;
  }

  /** The next of the party whose turn it is; one that has all the slots it may have is passed over. */
  nextOther(): T | undefined {
    for (const standing of [this.#turn, opposite(this.#turn)]) {
      for (const tasks of this.#others[standing].values()) {
        const [task] = tasks;
        if (task !== undefined && Share.fits(task.slots)) return task;
      }
    }
    return undefined;
  }

  /** A task of this party began: it is last in line for the next turn. */
  hadTurn({ key, standing }: Party): void {
    if (standing === 'own') return;
    this.#turn = opposite(standing);
    const parties = this.#others[standing];
    const tasks = parties.get(key);
    if (tasks !== undefined && parties.delete(key)) parties.set(key, tasks);
  }
}

function opposite(standing: 'known' | 'stranger'): 'known' | 'stranger' {
  return standing === 'known' ? 'stranger' : 'known';
}
