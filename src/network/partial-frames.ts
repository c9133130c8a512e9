/** A stream with a frame that was begun and not finished, or that waits for its turn. */
export interface PartialFrame {
  /** Resets the stream. */
  abandon: (reason: string) => void;
}

/**
 * Bytes of all frames that were begun and not finished, together: a peer may begin one of 4 MiB on every stream that
 * it has, and never end it. Above the bound the one begun first is given up, which an honest one seldom is.
 */
export class PartialFrames {
  readonly #maxBytes: number;
  /** In order of their beginning. */
  readonly #begun = new Map<PartialFrame, number>();
  #bytes = 0;

  constructor(init: { maxBytes: number }) {
    this.#maxBytes = init.maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Says how much of it is there now; 0 once it is finished or given up. */
  update(frame: PartialFrame, bytes: number): void {
    this.#bytes += bytes - (this.#begun.get(frame) ?? 0);
    if (bytes === 0) this.#begun.delete(frame);
    else this.#begun.set(frame, bytes);
    while (this.#bytes > this.#maxBytes) {
      const [oldest] = this.#begun.keys();
      if (oldest === undefined) return;
      this.update(oldest, 0);
      oldest.abandon('Too much of unfinished frames is held.');
    }
  }
}
