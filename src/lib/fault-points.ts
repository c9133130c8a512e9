/**
 * Named places between two steps where a test may make the process die. `hit` does nothing unless the process
 * was started to fail there, so production code carries the names and no behaviour.
 */
export interface FaultPoints {
  hit(name: string): void;
}

export const noFaultPoints: FaultPoints = { hit: () => {} };

/** Dies by SIGKILL, which nothing can catch, when `name` is hit for the `occurrence`-th time (from 1). */
export function killAt(name: string, occurrence = 1): FaultPoints {
  let left = occurrence;
  return {
    hit(point) {
      if (point !== name || --left > 0) return;
      process.kill(process.pid, 'SIGKILL');
      // The signal is delivered asynchronously: nothing more may run in between.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    },
  };
}
