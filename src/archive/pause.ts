/** Bytes of work in memory between two pauses: some 50 ms, of which a pause is a hundredth. */
export const PAUSE_BYTES = 67_108_864;

/**
 * Lets timers and listeners run from time to time, so that a signal is heard in the middle of work that never waits for
 * anything: to be called after work worth so many bytes. Throws what the signal gives; costs nothing without one.
 */
export function paceOf(signal: AbortSignal | undefined): (bytes: number) => Promise<void> {
  let done = 0;
  return async (bytes) => {
    if (signal === undefined) return;
    signal.throwIfAborted();
    done += bytes;
    if (done < PAUSE_BYTES) return;
    done = 0;
    await new Promise<void>((resolve) => {
      setTimeout(resolve);
    });
    signal.throwIfAborted();
  };
}
