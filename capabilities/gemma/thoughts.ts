import type { CapabilityApi } from '../../src/engine/capability.ts';

/** Characters of one stage, which may have 128 with the word before it. */
const MAX_PIECE_CHARS = 100;

/** What a model thinks before it answers, told as stages: apart from the answer, and a line or so at a time. */
export class Thoughts {
  readonly #progress: CapabilityApi['progress'];
  #began = false;
  #ended = false;
  #waiting = '';

  constructor(progress: CapabilityApi['progress']) {
    this.#progress = progress;
  }

  add(delta: string): void {
    if (!this.#began) this.#progress({ stage: 'thinking' });
    this.#began = true;
    this.#waiting += delta;
    while (this.#waiting.length >= MAX_PIECE_CHARS) this.#tell(MAX_PIECE_CHARS);
  }

  /** The answer begins. */
  end(): void {
    if (!this.#began || this.#ended) return;
    this.#ended = true;
    if (this.#waiting !== '') this.#tell(MAX_PIECE_CHARS);
    this.#progress({ stage: 'answering' });
  }

  #tell(chars: number): void {
    const piece = this.#waiting.slice(0, chars).replace(/\s+/g, ' ').toWellFormed();
    this.#waiting = this.#waiting.slice(chars);
    this.#progress({ stage: `thinking: ${piece}` });
  }
}
