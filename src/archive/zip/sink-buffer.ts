import type { ByteSink } from '../types.ts';

/** Gathered before the sink is called: a small archive is one call. */
const GATHERED_BYTES = 65_536;
/** Longer pieces cost more to copy than to pass on. */
const SHORT_BYTES = 16_384;

/** Gathers short pieces for a sink, which may keep whatever it is given. */
export class SinkBuffer {
  readonly #sink: ByteSink;
  /** Not yet given to a buffer or to the sink. */
  #left: number;
  #buffer = new Uint8Array();
  #filled = 0;

  /** `size`: bytes that will be written in all. */
  constructor(sink: ByteSink, size: number) {
    this.#sink = sink;
    this.#left = size;
  }

  /** Nothing has to be waited for where this is undefined. */
  write(bytes: Uint8Array): Promise<void> | undefined {
    if (bytes.length > SHORT_BYTES) return this.#passOn(bytes);
    if (this.#filled + bytes.length > this.#buffer.length) return this.#renew(bytes);
    this.#add(bytes);
    return undefined;
  }

  async flush(): Promise<void> {
    if (this.#filled === 0) return;
    const gathered = this.#buffer.subarray(0, this.#filled);
    this.#buffer = this.#buffer.subarray(this.#filled);
    this.#filled = 0;
    await this.#sink(gathered);
  }

  #add(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#filled);
    this.#filled += bytes.length;
    this.#left -= bytes.length;
  }

  async #renew(bytes: Uint8Array): Promise<void> {
    await this.flush();
    this.#buffer = new Uint8Array(Math.min(this.#left, GATHERED_BYTES));
    this.#add(bytes);
  }

  async #passOn(bytes: Uint8Array): Promise<void> {
    await this.flush();
    this.#left -= bytes.length;
    await this.#sink(bytes);
  }
}
