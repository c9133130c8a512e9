import type { ReusableSource } from '../../../archive/source.ts';
import type { ByteSink } from '../../../archive/types.ts';
import type { Cli } from '../../cli.ts';
import { StatusLine } from '../../status-line.ts';

/** Bytes from which a person would wonder whether it still goes on. */
const LONG_WORK_BYTES = 33_554_432;

/** How far long work is, on a terminal; quiet in a pipe, and for what is done at once. */
export class Progress {
  readonly #line: StatusLine;
  readonly #doing: string;
  readonly #total: number;
  #done = 0;
  #shown = -1;
  #ended = false;

  constructor(cli: Cli, doing: string, total: number) {
    this.#line = new StatusLine(cli.io.stderr);
    this.#doing = doing;
    this.#total = total;
  }

  add(bytes: number): void {
    this.#done += bytes;
    if (this.#ended || this.#total < LONG_WORK_BYTES) return;
    const percent = Math.floor((this.#done / this.#total) * 100);
    if (percent >= 100) this.end();
    else if (percent > this.#shown) {
      this.#shown = percent;
      this.#line.set(`${this.#doing}: ${String(percent)} %`);
    }
  }

  /** Takes the line away, for good. */
  end(): void {
    this.#ended = true;
    this.#line.clear();
  }

  counting(sink: ByteSink): ByteSink {
    return async (chunk) => {
      await sink(chunk);
      this.add(chunk.length);
    };
  }
}

/** A source that says how much of it was read. */
export class CountedSource implements ReusableSource {
  readonly size: number;
  readonly #source: ReusableSource;
  readonly #progress: Progress;

  constructor(source: ReusableSource, progress: Progress) {
    this.size = source.size;
    this.#source = source;
    this.#progress = progress;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = await this.#source.read(offset, length);
    this.#progress.add(length);
    return bytes;
  }

  async readInto(target: Uint8Array<ArrayBuffer>, offset: number): Promise<void> {
    await this.#source.readInto(target, offset);
    this.#progress.add(target.length);
  }

  /** What is read from now on is other work. */
  counted(): void {
    this.#progress.end();
  }
}
