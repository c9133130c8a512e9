import type { RunUse } from '../../../protocols/receipt/v1/schema.ts';
import type { CapabilityApi, OnDelta } from '../capability.ts';
import { describeFailure } from '../failure.ts';
import { MAX_OPEN_CHARS, MAX_OPEN_NOTES, MAX_OPEN_REQUESTS } from './bounds.ts';
import type { Meter } from './channel.ts';
import { Deferred } from './deferred.ts';
import type { Note, RequestMessage, ToRoom } from './messages.ts';
import { type AskedApi, readRequest } from './requests.ts';
import type { Namespace, Run, RunEnd } from './runner.ts';

/** What the node does for one run: all of the API, or a probe's part of it. */
export type HostedApi = AskedApi & Partial<Pick<CapabilityApi, 'progress' | 'log' | 'recordExecution'>>;

export interface HostRunInit {
  id: number;
  module: string;
  api: HostedApi;
  touched: (namespace: Namespace) => void;
  post: (message: ToRoom) => void;
  meter: Meter | undefined;
}

/** The node's side of one run in a room: answers what the code asks for, until the run has ended. */
export class HostRun implements Run<unknown> {
  readonly id: number;
  readonly module: string;
  /** Whether the room has said that it knows of the cancellation. */
  heard = false;
  readonly #init: HostRunInit;
  readonly #ended = new Deferred<RunEnd<unknown>>();
  readonly #gone = new Deferred<void>();
  readonly #open = new Set<number>();
  #openChars = 0;
  #notes = 0;
  /** A note that the API refused: said when the run ends, since nobody waits for it. */
  #refusal: unknown;

  constructor(init: HostRunInit) {
    this.id = init.id;
    this.module = init.module;
    this.#init = init;
  }

  get ended(): Promise<RunEnd<unknown>> {
    return this.#ended.promise;
  }

  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  get hasEnded(): boolean {
    return this.#ended.settled;
  }

  /** What the code gave or threw, or why it was given up. The first end counts. */
  end(outcome: { value: unknown } | { thrown: unknown }, reported: RunUse | null = null): void {
    if (this.hasEnded) return;
    const { meter } = this.#init;
    const end = { ...outcome, use: meter === undefined ? reported : meter.finish(reported) };
    this.#ended.resolve(this.#refusal === undefined ? end : { thrown: this.#refusal, use: end.use });
  }

  /** What it has taken so far. */
  async use(): Promise<RunUse | null> {
    return (await this.#init.meter?.read()) ?? null;
  }

  /** Nothing of it runs any more. */
  leave(): void {
    this.#gone.resolve();
  }

  /** A clause that says what rule the room broke; undefined where it broke none. */
  request({ request, name, body }: RequestMessage, chars: number): string | undefined {
    if (this.#open.has(request)) return 'it used the number of an open request again';
    if (this.#open.size >= MAX_OPEN_REQUESTS) return 'it has too many requests open';
    if (this.#openChars > 0 && this.#openChars + chars > MAX_OPEN_CHARS) {
      return 'its open requests are too large together';
    }
    this.#open.add(request);
    this.#openChars += chars;
    void this.#answer(request, name, body).then((reply) => {
      this.#open.delete(request);
      this.#openChars -= chars;
      if (!this.hasEnded) this.#init.post({ t: 'reply', run: this.id, request, ...reply });
    });
    return undefined;
  }

  async #answer(
    request: number,
    name: string,
    body: unknown,
  ): Promise<Pick<ToRoom & { t: 'reply' }, 'value' | 'error'>> {
    const onDelta: OnDelta = (delta, thinking) => {
      if (!this.hasEnded) this.#init.post({ t: 'delta', run: this.id, request, delta, thinking });
    };
    try {
      const value = await readRequest(name, body)(this.#init.api, onDelta);
      return value === undefined ? {} : { value };
    } catch (error) {
      return { error: describeFailure(error) };
    }
  }

  note(note: Note): string | undefined {
    if (++this.#notes > MAX_OPEN_NOTES) return 'it sent more progress than it had credit for';
    // Few need no credit at all. All that came in one turn is credited together, so that nobody is flooded who does not read.
    if (this.#notes === MAX_OPEN_NOTES / 2) setImmediate(this.#credit);
    try {
      this.#take(note);
    } catch (error) {
      this.#refusal ??= error;
    }
    return undefined;
  }

  readonly #credit = (): void => {
    const notes = this.#notes;
    this.#notes = 0;
    if (!this.hasEnded) this.#init.post({ t: 'credit', run: this.id, notes });
  };

  #take(note: Note): void {
    const { api } = this.#init;
    if ('progress' in note) {
      const { delta, stage } = note.progress;
      api.progress?.({ ...(delta !== undefined && { delta }), ...(stage !== undefined && { stage }) });
    } else if ('log' in note) api.log?.(note.log, note.context);
    else if ('execution' in note) api.recordExecution?.(note.execution);
    else this.#init.touched(note.touched);
  }
}
