import type { Clock } from '../../src/lib/clock.ts';
import type { VirtualClock } from '../support/virtual-clock.ts';

/** A clock that is wrong is wrong by up to so many ms; of some nodes it is a little wrong, of some much. */
const SKEW_MS = 600_000;
const LITTLE_SKEW_MS = 2_000;
/** In which time passes while something is waited for. */
const WAIT_MS = 5;

/** Lets virtual time pass; all that is due at one time is done before the promises that come of it. */
export async function pass(clock: VirtualClock, ms: number): Promise<void> {
  const end = clock.monotonic() + ms;
  await turn();
  for (let at = clock.nextAt; at <= end; at = clock.nextAt) {
    while (clock.fire(at));
    await turn();
  }
  clock.rest(end);
}

/** Lets time pass until the promise has resolved. */
export async function during(clock: VirtualClock, promise: Promise<unknown>): Promise<void> {
  let done = false;
  const finish = (): void => {
    done = true;
  };
  promise.then(finish, finish);
  await turn();
  while (!done) await pass(clock, WAIT_MS);
  await promise;
}

/** The clock of a node, whose wall clock is wrong. */
export function skewed(clock: VirtualClock, random: () => number): Clock {
  const lot = random();
  const most = lot < 0.5 ? LITTLE_SKEW_MS : lot < 0.75 ? SKEW_MS / 2 : SKEW_MS;
  const skewMs = Math.round((2 * random() - 1) * most);
  return {
    now: () => Math.floor(clock.now() + skewMs),
    monotonic: () => clock.monotonic(),
    after: (ms, callback) => clock.after(ms, callback),
  };
}

/** All promises that can go on go on. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
