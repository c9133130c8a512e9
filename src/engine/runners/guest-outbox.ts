import { MeshError } from '../../lib/errors.ts';
import {
  MAX_DELTA_CHARS,
  MAX_OPEN_CHARS,
  MAX_OPEN_NOTES,
  MAX_OPEN_REQUESTS,
  MAX_WAITING_CHARS,
  MAX_WAITING_NOTES,
} from './bounds.ts';
import type { Note } from './messages.ts';

/**
 * What one run has to say while it runs, at the pace at which the node takes it. Streamed text that waits is put together;
 * of stages that wait the newest counts.
 */
export class NoteOutbox {
  readonly #send: (note: Note) => void;
  #credit = MAX_OPEN_NOTES;
  #delta = '';
  #stage: string | undefined;
  readonly #others: Note[] = [];
  #whenEmpty: (() => void) | undefined;

  constructor(send: (note: Note) => void) {
    this.#send = send;
  }

  /** Throws `too_large` where the node has not taken what was streamed before. */
  progress(delta: string, stage: string | undefined): void {
    if (this.#delta.length + delta.length > MAX_WAITING_CHARS) throw tooMuch();
    this.#delta += delta;
    if (stage !== undefined) this.#stage = stage;
    this.#flush();
  }

  note(note: Note): void {
    if (this.#others.length >= MAX_WAITING_NOTES) throw tooMuch();
    this.#others.push(note);
    this.#flush();
  }

  credit(notes: number): void {
    this.#credit += notes;
    this.#flush();
  }

  /** Resolves when all of it has been sent. */
  async flushed(): Promise<void> {
    if (!this.isEmpty) await new Promise<void>((resolve) => (this.#whenEmpty = resolve));
  }

  get isEmpty(): boolean {
    return this.#delta === '' && this.#stage === undefined && this.#others.length === 0;
  }

  #flush(): void {
    while (this.#credit > 0 && !this.isEmpty) {
      this.#credit--;
      this.#send(this.#next());
    }
    if (this.isEmpty) this.#whenEmpty?.();
  }

  #next(): Note {
    const other = this.#others.shift();
    if (other !== undefined) return other;
    const stage = this.#stage;
    this.#stage = undefined;
    if (stage !== undefined) return { progress: { stage } };
    let piece = this.#delta.slice(0, MAX_DELTA_CHARS);
    // Never cut between the two halves of a character.
    if (piece.length < this.#delta.length && !piece.isWellFormed()) piece = piece.slice(0, -1);
    this.#delta = this.#delta.slice(piece.length);
    return { progress: { delta: piece } };
  }
}

interface Waiting {
  readonly chars: number;
  readonly send: () => void;
}

/** Requests of one run, no more of them open at once than the node answers. */
export class RequestOutbox {
  readonly #waiting: Waiting[] = [];
  readonly #open = new Map<number, number>();
  #openChars = 0;

  /** `send` is called when it is the request's turn. */
  add(request: number, chars: number, send: () => void): void {
    this.#waiting.push({
      chars,
      send: () => {
        this.#open.set(request, chars);
        this.#openChars += chars;
        send();
      },
    });
    this.#flush();
  }

  answered(request: number): void {
    this.#openChars -= this.#open.get(request) ?? 0;
    this.#open.delete(request);
    this.#flush();
  }

  #flush(): void {
    while (this.#open.size < MAX_OPEN_REQUESTS) {
      const [next] = this.#waiting;
      if (next === undefined) return;
      if (this.#openChars > 0 && this.#openChars + next.chars > MAX_OPEN_CHARS) return;
      this.#waiting.shift();
      next.send();
    }
  }
}

function tooMuch(): MeshError {
  return new MeshError(
    'too_large',
    'More was streamed or logged than the node takes: give way now and then.',
  );
}
