import type { Logger } from 'pino';
import type { Clock } from '../lib/clock.ts';
import type { EventPiece, EventRange, MeshEvent } from './types.ts';

/** What is remembered, for followers who come back: minutes of a busy node. After it is cut in half, 50,000 events are left. */
const REMEMBERED_BYTES = 24 * 1_048_576;
/** An event without its texts: the object, its id and its places in lists. */
const EVENT_BYTES = 200;
const CHAR_BYTES = 2;

type EventBody<E = MeshEvent> = E extends MeshEvent ? Omit<E, 'sequence' | 'at'> : never;
type Listener = (event: MeshEvent) => void;

/** Numbers what happens, tells followers, and remembers it for those who read at their own pace. */
export class EventLog {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #log: Logger;
  readonly #remembered: MeshEvent[] = [];
  /** Numbers of the first and the last event that is remembered of each capsule. */
  readonly #spans = new Map<string, { first: number; last: number }>();
  readonly #all = new Set<Listener>();
  readonly #byCapsule = new Map<string, Set<Listener>>();
  #sequence = 0;
  #bytes = 0;

  constructor({ clock, log }: { clock: Pick<Clock, 'now'>; log: Logger }) {
    this.#clock = clock;
    this.#log = log;
  }

  emit(body: EventBody): void {
    const event: MeshEvent = { sequence: ++this.#sequence, at: this.#clock.now(), ...body };
    this.#remembered.push(event);
    this.#bytes += bytesOf(event);
    const span = this.#spans.get(event.capsuleId);
    if (span === undefined) this.#spans.set(event.capsuleId, { first: event.sequence, last: event.sequence });
    else span.last = event.sequence;
    // In halves, so that the cost of shifting is spread over many events.
    if (this.#bytes > REMEMBERED_BYTES) this.#forget(REMEMBERED_BYTES / 2);
    for (const listener of this.#all) this.#tell(listener, event);
    for (const listener of this.#byCapsule.get(event.capsuleId) ?? []) this.#tell(listener, event);
  }

  /** Every new event. Returns the removal. */
  follow(listener: Listener, { capsuleId }: { capsuleId?: string } = {}): () => void {
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

  after({ since, capsuleId, limit }: EventRange): EventPiece {
    const oldest = this.#sequence - this.#remembered.length + 1;
    const forgotten = Math.max(0, oldest - 1 - since);
    const span = capsuleId === undefined ? undefined : this.#spans.get(capsuleId);
    const events: MeshEvent[] = [];
    // A capsule's events lie together: neither what came before them nor after is looked at.
    const last = capsuleId === undefined ? this.#sequence : (span?.last ?? 0);
    let sequence = Math.max(since + 1, oldest, span?.first ?? 0);
    for (; sequence <= last && events.length < limit; sequence++) {
      const event = this.#remembered[sequence - oldest];
      if (event !== undefined && (capsuleId === undefined || event.capsuleId === capsuleId))
        events.push(event);
    }
    const position = sequence > last ? this.#sequence : sequence - 1;
    return { events, position, forgotten };
  }

  get newest(): number {
    return this.#sequence;
  }

  #forget(keptBytes: number): void {
    let count = 0;
    for (; this.#bytes > keptBytes && count < this.#remembered.length; count++) {
      const event = this.#remembered[count];
      if (event === undefined) break;
      this.#bytes -= bytesOf(event);
      const span = this.#spans.get(event.capsuleId);
      if (span === undefined || span.last <= event.sequence) this.#spans.delete(event.capsuleId);
      else span.first = event.sequence + 1;
    }
    this.#remembered.splice(0, count);
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

/** About what it takes in memory. */
function bytesOf(event: MeshEvent): number {
  const texts =
    event.type === 'progress'
      ? [event.delta, event.stage]
      : event.type === 'status'
        ? [event.note]
        : [event.error?.message];
  return texts.reduce((sum, text) => sum + CHAR_BYTES * (text?.length ?? 0), EVENT_BYTES);
}
