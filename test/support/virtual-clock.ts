import type { Clock } from '../../src/lib/clock.ts';

interface Timer {
  readonly at: number;
  readonly order: number;
  /** Undefined once it fired or was cancelled. */
  callback: (() => void) | undefined;
}

/** Cancelled timers that the heap may hold beyond those that are pending, before it is cleaned. */
const DEAD_TIMERS = 1_024;

/** A clock that moves only when told; timers fire in order of their time, then of their creation. */
export class VirtualClock implements Clock {
  #now: number;
  #elapsed = 0;
  #order = 0;
  /** A binary heap, cancelled timers included. */
  #heap: Timer[] = [];
  #pending = 0;

  constructor(now = 1_700_000_000_000) {
    this.#now = now;
  }

  now(): number {
    return this.#now + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  after(ms: number, callback: () => void): () => void {
    const timer: Timer = { at: this.#elapsed + Math.max(0, ms), order: this.#order++, callback };
    this.#push(timer);
    this.#pending++;
    return () => {
      if (timer.callback === undefined) return;
      timer.callback = undefined;
      this.#pending--;
      if (this.#heap.length > 2 * this.#pending + DEAD_TIMERS) this.#clean();
    };
  }

  /** Fires everything due within `ms`, letting promise callbacks run between two timers. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms;
    do await settle();
    while (this.fire(end));
    this.rest(end);
    await settle();
  }

  /** Fires the next timer that is due by then, in monotonic milliseconds; false where there is none. */
  fire(end: number): boolean {
    const due = this.#next();
    if (due?.callback === undefined || due.at > end) return false;
    this.#pop();
    const { callback } = due;
    due.callback = undefined;
    this.#pending--;
    this.#elapsed = Math.max(this.#elapsed, due.at);
    callback();
    return true;
  }

  /** Monotonic time of the next timer; infinite where there is none. */
  get nextAt(): number {
    return this.#next()?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Moves on to this monotonic time. Whatever is due before must have been fired. */
  rest(until: number): void {
    this.#elapsed = Math.max(this.#elapsed, until);
  }

  /** Sets the wall clock apart from the monotonic one, as an operator or NTP would. */
  jump(ms: number): void {
    this.#now += ms;
  }

  get pendingTimers(): number {
    return this.#pending;
  }

  #next(): Timer | undefined {
    while (this.#heap[0] !== undefined && this.#heap[0].callback === undefined) this.#pop();
    return this.#heap[0];
  }

  #clean(): void {
    // A sorted array is a heap.
    this.#heap = this.#heap.filter(({ callback }) => callback !== undefined).sort(compare);
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let index = heap.length;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = heap[parentIndex];
      if (parent === undefined || compare(parent, timer) <= 0) break;
      heap[index] = parent;
      index = parentIndex;
    }
    heap[index] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let childIndex = 2 * index + 1;
      let child = heap[childIndex];
      if (child === undefined) break;
      const other = heap[childIndex + 1];
      if (other !== undefined && compare(other, child) < 0) {
        child = other;
        childIndex++;
      }
      if (compare(last, child) <= 0) break;
      heap[index] = child;
      index = childIndex;
    }
    heap[index] = last;
  }
}

const compare = (a: Timer, b: Timer): number => a.at - b.at || a.order - b.order;

/** Lets callbacks that are already due run: promise chains, and I/O that completed. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
