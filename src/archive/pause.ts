/** Bytes of work in memory between two pauses: some 50 ms, of which a pause is a hundredth. */
export const PAUSE_BYTES = 67_108_864;

/**
 * Lets timers and listeners run from time to time, so that a signal is heard in the middle of work that never waits for
 * anything. Costs nothing where there is no signal.
 */
export class Pace {
  readonly #signal: AbortSignal | undefined;
  #done = 0;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  /** After work worth so many bytes. Throws what the signal gives. */
  async after(bytes: number): Promise<void> {
    if (this.#signal === undefined) return;
    this.#signal.throwIfAborted();
    this.#done += bytes;
    if (this.#done < PAUSE_BYTES) return;
    this.#done = 0;
    await new Promise<void>((resolve) => {
      setTimeout(resolve);
    });
    this.#signal.throwIfAborted();
  }
}
