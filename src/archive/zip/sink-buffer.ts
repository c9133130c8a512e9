import { STREAM_CHUNK_BYTES } from '../source.ts';
import type { ByteSink } from '../types.ts';

/** Gathers short pieces, so that a sink is called once for a small archive and about once for each chunk of a large one. */
export class SinkBuffer {
  readonly #sink: ByteSink;
  #left: number;
  #buffer: Uint8Array;
  #filled = 0;

  /** `size`: bytes that will be written in all. */
  constructor(sink: ByteSink, size: number) {
    this.#sink = sink;
    this.#left = size;
    this.#buffer = new Uint8Array(Math.min(size, STREAM_CHUNK_BYTES));
  }

  /** Undefined where nothing has to be waited for. */
  write(bytes: Uint8Array): void | Promise<void> {
    if (this.#filled + bytes.length > this.#buffer.length) return this.#passOn(bytes);
    this.#buffer.set(bytes, this.#filled);
    this.#filled += bytes.length;
  }

  async flush(): Promise<void> {
    if (this.#filled === 0) return;
    await this.#sink(this.#buffer.subarray(0, this.#filled));
    this.#left -= this.#filled;
    this.#filled = 0;
    // A new one: the sink may keep what it was given.
    this.#buffer = new Uint8Array(Math.min(this.#left, STREAM_CHUNK_BYTES));
  }

  async #passOn(bytes: Uint8Array): Promise<void> {
    await this.flush();
    if (bytes.length <= this.#buffer.length / 2) return this.write(bytes);
    await this.#sink(bytes);
    this.#left -= bytes.length;
  }
}
