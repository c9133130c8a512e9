import type { ErrorBody } from '../../../protocols/common/v1/errors.ts';
import type { JsonValue } from '../../../protocols/common/v1/schema.ts';
import { MeshError } from '../../lib/errors.ts';
import type { OnDelta } from '../capability.ts';
import { hasEnded } from '../permission-errors.ts';
import { MAX_MESSAGE_CHARS } from './bounds.ts';
import type { GuestCalls } from './guest-api.ts';
import { NoteOutbox, RequestOutbox } from './guest-outbox.ts';
import type { Note, ToRoom } from './messages.ts';
import type { ScopeFacts } from './runner.ts';

interface Pending {
  resolve: (value: JsonValue | undefined) => void;
  reject: (error: unknown) => void;
  onDelta: OnDelta | undefined;
}

/** One run on the room's side: what it asked for and not heard of yet, what it has to say, its signal. */
export class GuestRun implements GuestCalls {
  readonly facts: ScopeFacts;
  running = true;
  /** Whether another run had the room at the same time. */
  shared = false;
  readonly #id: number;
  readonly #post: (text: string) => void;
  readonly #controller = new AbortController();
  readonly #notes: NoteOutbox;
  readonly #requests = new RequestOutbox();
  readonly #pending = new Map<number, Pending>();
  #lastRequest = 0;

  constructor(id: number, facts: ScopeFacts, post: (text: string) => void) {
    this.#id = id;
    this.facts = facts;
    this.#post = post;
    this.#notes = new NoteOutbox((note) => post(JSON.stringify({ t: 'note', run: id, note })));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  async request(name: string, body: object, onDelta?: OnDelta): Promise<JsonValue | undefined> {
    if (!this.running) throw hasEnded();
    const request = ++this.#lastRequest;
    const text = JSON.stringify({ t: 'request', run: this.#id, request, name, body });
    if (text.length > MAX_MESSAGE_CHARS)
      throw new MeshError('too_large', `The call of ${name} is too large.`);
    return new Promise((resolve, reject) => {
      this.#pending.set(request, { resolve, reject, onDelta });
      this.#requests.add(request, text.length, () => this.#post(text));
    });
  }

  progress(delta: string, stage: string | undefined): void {
    this.#notes.progress(delta, stage);
  }

  note(note: Note): void {
    this.#notes.note(note);
  }

  cancel({ code, message }: ErrorBody): void {
    this.#controller.abort(new MeshError(code, message));
  }

  reply({ request, value, error }: ToRoom & { t: 'reply' }): void {
    const pending = this.#pending.get(request);
    this.#pending.delete(request);
    this.#requests.answered(request);
    if (error === undefined) pending?.resolve(value);
    else pending?.reject(new MeshError(error.code, error.message, error.detail));
  }

  delta({ request, delta, thinking }: ToRoom & { t: 'delta' }): void {
    const pending = this.#pending.get(request);
    try {
      pending?.onDelta?.(delta, thinking);
    } catch (error) {
      pending?.reject(error);
    }
  }

  credit(notes: number): void {
    this.#notes.credit(notes);
  }

  /** The API works no more; resolves when all that was streamed has been sent. */
  async stop(): Promise<void> {
    this.running = false;
    await this.#notes.flushed();
  }
}
