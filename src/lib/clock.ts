/** Time as a dependency, so that tests and simulations run on a virtual clock. */
export interface Clock {
  /** Milliseconds since the epoch; may jump. */
  now(): number;
  /** Milliseconds on a clock that never goes back; for durations and expiry. */
  monotonic(): number;
  /** Calls back once after `ms`; the timer does not keep the process alive. Returns its cancellation. */
  after(ms: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, callback) {
    // setTimeout fires at once beyond 2^31-1 ms; a longer wait is cut and its caller re-arms.
    const timer = setTimeout(callback, Math.min(Math.max(ms, 0), 2_147_483_647));
    timer.unref();
    return () => clearTimeout(timer);
  },
};
