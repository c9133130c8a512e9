import type { MeshEvent } from '../api/schemas/capsules.ts';
import { terminalLine } from '../lib/untrusted-text.ts';
import { duration, shortNode, statusText } from './format.ts';
import type { Output } from './io.ts';

/** ms between redraws, so that the seconds go on. */
const REDRAW_MS = 250;
/** Characters of a terminal that does not say how wide it is. */
const COLUMNS = 80;
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
    const { status, executor, note } = event;
    const why = status === 'announced' && note !== undefined ? `: ${note}` : '';
    const where = executor === null ? '' : ` on ${shortNode(executor)}`;
    this.set(statusText(status) + where + why);
  }

  clear(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#output.write(CLEAR_LINE);
  }

  readonly #draw = (): void => {
    const since = ` · ${duration(performance.now() - this.#started)}`;
    // A longer line would wrap, and only its last row be cleared.
    const room = (this.#output.columns ?? COLUMNS) - since.length - 1;
    this.#output.write(CLEAR_LINE + terminalLine(this.#text, room) + since);
  };
}
