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

/** Who waits for the answer to a request. */
export interface Pending {
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
  /** Made when somebody asks for it: most never do, and it costs as much as the rest of a small call. */
  #controller: AbortController | undefined;
  #cancelled: MeshError | undefined;
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
    this.#controller ??= new AbortController();
    if (this.#cancelled !== undefined) this.#controller.abort(this.#cancelled);
    return this.#controller.signal;
  }

  async request(name: string, body: object, onDelta?: OnDelta): Promise<JsonValue | undefined> {
    return new Promise((resolve, reject) => this.ask(name, body, { resolve, reject, onDelta }));
  }

  /** The same for who cannot wait for a promise: `pending` is told in the turn in which the answer arrives. */
  ask(name: string, body: object, pending: Pending): void {
    if (!this.running) throw hasEnded();
    const request = ++this.#lastRequest;
    const text = JSON.stringify({ t: 'request', run: this.#id, request, name, body });
    if (text.length > MAX_MESSAGE_CHARS)
      throw new MeshError('too_large', `The call of ${name} is too large.`);
    this.#pending.set(request, pending);
    this.#requests.add(request, text.length, () => this.#post(text));
  }

  /** Whether all that it had to say has been sent. */
  get isSaid(): boolean {
    return this.#notes.isEmpty;
  }

  progress(delta: string, stage: string | undefined): void {
    this.#notes.progress(delta, stage);
  }

  note(note: Note): void {
    this.#notes.note(note);
  }

  cancel({ code, message }: ErrorBody): void {
    this.#cancelled = new MeshError(code, message);
    this.#controller?.abort(this.#cancelled);
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
