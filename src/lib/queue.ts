import { abortError, throwIfAborted } from './abort.ts';
import { MeshError } from './errors.ts';

export interface WorkQueueInit {
  /** Tasks that may run at once, over all lanes. */
  concurrency: number;
  /** Tasks that may wait, over all lanes; one more is refused with `busy`. */
  maxWaiting: number;
  /** Tasks that may wait in one lane, so that a slow lane cannot fill the queue for the others. */
  maxWaitingPerLane: number;
}

/** Tasks of one kind: `concurrency` of them may run at once. */
export interface Lane {
  readonly key: string;
  readonly concurrency: number;
}

interface LaneState {
  readonly concurrency: number;
  running: number;
  /** First come, first served; a Set, so that an aborted one leaves in constant time. */
  readonly waiting: Set<() => void>;
}

/** A bounded, abortable work queue. Lanes with work take turns, so none starves another. */
export class WorkQueue {
  readonly #init: WorkQueueInit;
  /** Lanes with a task in them, so bounded by the tasks. */
  readonly #lanes = new Map<string, LaneState>();
  /** Lanes that could start a waiting task were a slot free, in the order of their turns. */
  readonly #ready = new Set<LaneState>();
  #running = 0;
  #waiting = 0;

  constructor(init: WorkQueueInit) {
    this.#init = init;
  }

  get running(): number {
    return this.#running;
  }

  /** Running and waiting. */
  get size(): number {
    return this.#running + this.#waiting;
  }

  /** `size` over the most there may be; 1 means full. */
  get load(): number {
    return this.size / (this.#init.concurrency + this.#init.maxWaiting);
  }

  /** Running and waiting tasks of one lane. */
  sizeOf(key: string): number {
    const lane = this.#lanes.get(key);
    return lane === undefined ? 0 : lane.running + lane.waiting.size;
  }

  /** Whether one more task of this lane would be taken now. */
  hasRoom(lane: Lane): boolean {
    const state = this.#lanes.get(lane.key);
    if (this.#canStart(lane, state)) return true;
    return this.#waiting < this.#init.maxWaiting && (state?.waiting.size ?? 0) < this.#init.maxWaitingPerLane;
  }

  /**
   * Runs `task` when there is a slot and settles as it does. Rejects with `busy` when the queue is full, and with
   * the signal's reason when that aborts while waiting; a task that runs must watch the signal itself.
   */
  async run<T>(lane: Lane, task: () => Promise<T>, options: { signal?: AbortSignal } = {}): Promise<T> {
    throwIfAborted(options.signal);
    if (!this.hasRoom(lane))
      throw new MeshError('busy', `The queue for ${lane.key} is full; try again later.`);
    const state = this.#enter(lane);
    if (this.#canStart(lane, state)) this.#begin(state);
    else await this.#wait(lane.key, state, options.signal);
    try {
      return await task();
    } finally {
      state.running--;
      this.#running--;
      this.#forgetIfIdle(lane.key, state);
      this.#dispatch(state);
    }
  }

  #canStart(lane: Lane, state: LaneState | undefined): boolean {
    return this.#running < this.#init.concurrency && (state?.running ?? 0) < lane.concurrency;
  }

  #enter(lane: Lane): LaneState {
    const known = this.#lanes.get(lane.key);
    if (known !== undefined) return known;
    const state = { concurrency: lane.concurrency, running: 0, waiting: new Set<() => void>() };
    this.#lanes.set(lane.key, state);
    return state;
  }

  #begin(state: LaneState): void {
    state.running++;
    this.#running++;
  }

  #wait(key: string, state: LaneState, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const start = (): void => {
        signal?.removeEventListener('abort', onAbort);
        leave();
        this.#begin(state);
        resolve();
      };
      const leave = (): void => {
        state.waiting.delete(start);
        this.#waiting--;
        this.#mark(state);
      };
      const onAbort = (): void => {
        leave();
        this.#forgetIfIdle(key, state);
        if (signal !== undefined) reject(abortError(signal));
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      state.waiting.add(start);
      this.#waiting++;
      this.#mark(state);
    });
  }

  /** Starts what the freed slot allows: the lane whose turn it is, or the one that just left its own limit. */
  #dispatch(freed: LaneState): void {
    this.#mark(freed);
    while (this.#running < this.#init.concurrency) {
      const [state] = this.#ready;
      const start = state?.waiting.values().next().value;
      if (state === undefined || start === undefined) return;
      start();
      // Last in line for the next turn.
      this.#ready.delete(state);
      this.#mark(state);
    }
  }

  #mark(state: LaneState): void {
    if (state.waiting.size > 0 && state.running < state.concurrency) this.#ready.add(state);
    else this.#ready.delete(state);
  }

  #forgetIfIdle(key: string, state: LaneState): void {
    if (state.running === 0 && state.waiting.size === 0) this.#lanes.delete(key);
  }
}
