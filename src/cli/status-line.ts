import type { MeshEvent } from '../exchange/types.ts';
import { duration, shortNode } from './format.ts';
import type { Output } from './io.ts';

/** ms between redraws, so that the seconds go on. */
const REDRAW_MS = 250;
const CLEAR_LINE = '\r\u001b[2K';

/** One line on a terminal that says what goes on; nothing in a pipe. */
export class StatusLine {
  readonly #output: Output;
  readonly #started = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #text = '';

  constructor(output: Output) {
    this.#output = output;
  }

  set(text: string): void {
    if (!this.#output.isTTY) return;
    this.#text = text;
    this.#draw();
    this.#timer ??= setInterval(this.#draw, REDRAW_MS).unref();
  }

  show(event: MeshEvent): void {
    if (event.type === 'progress' && event.stage !== undefined) this.set(event.stage);
    if (event.type !== 'status') return;
    this.set(event.executor === null ? event.status : `${event.status} on ${shortNode(event.executor)}`);
  }

  clear(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#output.write(CLEAR_LINE);
  }

  readonly #draw = (): void => {
    this.#output.write(`${CLEAR_LINE}${this.#text} · ${duration(performance.now() - this.#started)}`);
  };
}
