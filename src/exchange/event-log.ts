import type { Logger } from 'pino';
import type { Clock } from '../lib/clock.ts';
import type { MeshEvent } from './types.ts';

/** Events a follower may still catch up with; about a minute of a busy node. */
const REMEMBERED_EVENTS = 4_096;
/** Characters of streamed text among them. */
const REMEMBERED_CHARS = 8 * 1_048_576;

type EventBody<E = MeshEvent> = E extends MeshEvent ? Omit<E, 'sequence' | 'at'> : never;
type Listener = (event: MeshEvent) => void;

/** Numbers what happens and tells followers, who may begin at an earlier number that is still remembered. */
export class EventLog {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #log: Logger;
  readonly #remembered: MeshEvent[] = [];
  readonly #all = new Set<Listener>();
  readonly #byCapsule = new Map<string, Set<Listener>>();
  #sequence = 0;
  #chars = 0;

  constructor({ clock, log }: { clock: Pick<Clock, 'now'>; log: Logger }) {
    this.#clock = clock;
    this.#log = log;
  }

  emit(body: EventBody): void {
    const event: MeshEvent = { sequence: ++this.#sequence, at: this.#clock.now(), ...body };
    this.#remembered.push(event);
    this.#chars += charsOf(event);
    // Trimmed in halves, so that the cost of shifting is spread over many events.
    if (this.#remembered.length > 2 * REMEMBERED_EVENTS) this.#forget(REMEMBERED_EVENTS);
    else if (this.#chars > REMEMBERED_CHARS) this.#forget(Math.ceil(this.#remembered.length / 2));
    for (const listener of this.#all) this.#tell(listener, event);
    for (const listener of this.#byCapsule.get(event.capsuleId) ?? []) this.#tell(listener, event);
  }

  follow(listener: Listener, options: { since?: number; capsuleId?: string } = {}): () => void {
    const { since, capsuleId } = options;
    if (since !== undefined) {
      for (const event of this.#remembered) {
        if (event.sequence > since && (capsuleId === undefined || event.capsuleId === capsuleId))
          listener(event);
      }
    }
    if (capsuleId === undefined) {
      this.#all.add(listener);
      return () => void this.#all.delete(listener);
    }
    const listeners = this.#byCapsule.get(capsuleId) ?? new Set();
    listeners.add(listener);
    this.#byCapsule.set(capsuleId, listeners);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#byCapsule.delete(capsuleId);
    };
  }

  #forget(count: number): void {
    for (const event of this.#remembered.splice(0, count)) this.#chars -= charsOf(event);
  }

  /** A follower that fails must not stop what it follows. */
  #tell(listener: Listener, event: MeshEvent): void {
    try {
      listener(event);
    } catch (error) {
      this.#log.error({ capsuleId: event.capsuleId, err: error }, 'A follower of events failed');
    }
  }
}

/** What an event can be large by. */
function charsOf(event: MeshEvent): number {
  return event.type === 'progress' ? (event.delta?.length ?? 0) : 0;
}
