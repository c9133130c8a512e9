import type { Clock } from '../lib/clock.ts';

/** A pause in which bids may come; the first opens the window in which others are collected. */
export class Search {
  /** Resolves at the end of the pause, of the window, or of all searching. */
  readonly over: Promise<void>;
  readonly #clock: Pick<Clock, 'after'>;
  readonly #resolve: () => void;
  readonly #cancelPause: () => void;
  #cancelWindow: (() => void) | undefined;

  constructor(clock: Pick<Clock, 'after'>, pauseMs: number) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.over = promise;
    this.#clock = clock;
    this.#resolve = resolve;
    this.#cancelPause = clock.after(pauseMs, this.end);
  }

  bid(windowMs: number): void {
    this.#cancelWindow ??= this.#clock.after(windowMs, this.end);
  }

  readonly end = (): void => {
    this.#cancelPause();
    this.#cancelWindow?.();
    this.#resolve();
  };
}
