import type { Clock } from '../lib/clock.ts';

/** Longest wait of one timer, in milliseconds: below what the clock cuts (lib/clock). */
const LONGEST_WAIT_MS = 1_000_000_000;

/** Calls back once at `time` (ms since the epoch), however far that is. Returns its cancellation. */
export function callAt(clock: Pick<Clock, 'now' | 'after'>, time: number, callback: () => void): () => void {
  let cancel = () => {};
  const wait = (): void => {
    const left = time - clock.now();
    cancel =
      left > LONGEST_WAIT_MS ? clock.after(LONGEST_WAIT_MS, wait) : clock.after(Math.max(0, left), callback);
  };
  wait();
  return () => cancel();
}
