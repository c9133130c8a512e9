/** Samples that are kept, and how long: the newest four minutes at one in 30 s. */
const WINDOW = 8;
/** Samples before the distance is said to be known: one may be of a machine that was just busy. */
const ENOUGH = 3;
/** A sample during which this node's event loop was busy for so long, and for half of it, measured the loop. */
const BUSY_MS = 4;
/** Such samples in a row that are left out; a node that is always busy has no better ones. */
const LEFT_OUT_MAX = 4;

/** Distance of one peer: the least of several round trips, since nothing makes one too short and much too long. */
export class RoundTrip {
  readonly #samples: number[] = [];
  #leftOut = 0;

  /** Milliseconds of the round trip, and how many of them this node's event loop was busy. */
  add(ms: number, busyMs: number): void {
    const late = busyMs >= BUSY_MS && busyMs >= ms / 2;
    if (late && this.#leftOut < LEFT_OUT_MAX) {
      this.#leftOut++;
      return;
    }
    this.#leftOut = 0;
    this.#samples.push(ms);
    if (this.#samples.length > WINDOW) this.#samples.shift();
  }

  get leastMs(): number | null {
    return this.#samples.length === 0 ? null : Math.min(...this.#samples);
  }

  /** Whether there are enough to put the peer into a ring. */
  get isKnown(): boolean {
    return this.#samples.length >= ENOUGH;
  }
}
