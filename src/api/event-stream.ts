import { Readable } from 'node:stream';
import type { Clock } from '../lib/clock.ts';
import { MeshError } from '../lib/errors.ts';
import type { Capsules } from './components.ts';
import type { MeshEvent } from './schemas/capsules.ts';

/** Events taken from the log at a time: few, since a client may stop reading after any of them. */
const PIECE_EVENTS = 64;
/** What waits for a client; beyond that nothing more is taken from the log for it. */
const BUFFER_BYTES = 64 * 1024;
/** Keeps proxies from closing a quiet connection, and finds out about clients that are gone. */
const HEARTBEAT_MS = 15_000;
/** Heartbeats in a row at which a client had read nothing of what waits for it: it is gone without a word, or as good as. */
const MAX_UNREAD_BEATS = 4;

export interface EventStreamInit {
  /** Tells this life of the node from others in event ids. */
  instance: string;
  /** Number of the last event that the client has. */
  since: number;
  /** Only this capsule's, to its end. */
  capsuleId?: string;
  /** Which of the events the client may see. */
  sees?: (event: MeshEvent) => boolean;
  /** Called once when everything earlier was sent. */
  onCaughtUp?: (stream: EventStream) => void;
}

/**
 * One client that follows events: text of the `text/event-stream` format. The log is its queue: earlier events are
 * taken from there as the client reads, so that neither a long replay nor a slow client takes memory. A client that falls behind what the log
 * remembers is cut off.
 */
export class EventStream extends Readable {
  readonly #components: { clock: Clock; capsules: Pick<Capsules, 'follow' | 'eventsAfter'> };
  readonly #init: EventStreamInit;
  readonly #unfollow: () => void;
  #cancelHeartbeat: () => void = () => undefined;
  #position: number;
  /** The client reads: it has room for more. */
  #wanted = false;
  /** New events may be sent as they come. */
  #caughtUp = false;
  #saidSo = false;
  #unreadBeats = 0;
  #ended = false;

  constructor(
    components: { clock: Clock; capsules: Pick<Capsules, 'follow' | 'eventsAfter'> },
    init: EventStreamInit,
  ) {
    super({ highWaterMark: BUFFER_BYTES });
    this.#components = components;
    this.#init = init;
    this.#position = init.since;
    const { capsuleId } = init;
    const { forgotten } = components.capsules.eventsAfter({ since: init.since, limit: 0 });
    // Tells the client that the stream is open before anything happens.
    this.push(': open\n\n');
    if (init.since > 0 && forgotten > 0) this.push(`: ${forgotten} events are forgotten\n\n`);
    this.#position += forgotten;
    this.#unfollow = components.capsules.follow(this.#onEvent, capsuleId === undefined ? {} : { capsuleId });
    this.#beat();
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Not from the log, so no place to resume from. */
  sendApart(event: MeshEvent): void {
    if (!this.#ended) this.push(textOf(event));
  }

  /** Ends after what was sent so far. */
  finish(): void {
    if (this.#ended) return;
    this.#release();
    this.push(null);
  }

  override _read(): void {
    this.#wanted = true;
    this.#unreadBeats = 0;
    this.#takeFromLog();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#release();
    callback(error);
  }

  readonly #onEvent = (event: MeshEvent): void => {
    if (this.#caughtUp && this.#wanted) {
      this.#send([event]);
      return;
    }
    // Everything before it was sent; from here on the log has it.
    if (this.#caughtUp) this.#position = event.sequence - 1;
    this.#caughtUp = false;
  };

  #takeFromLog(): void {
    const { capsuleId, sees, onCaughtUp } = this.#init;
    while (this.#wanted && !this.#caughtUp && !this.#ended) {
      const { events, position, forgotten } = this.#components.capsules.eventsAfter({
        since: this.#position,
        limit: PIECE_EVENTS,
        ...(capsuleId !== undefined && { capsuleId }),
      });
      if (forgotten > 0) {
        this.destroy();
        return;
      }
      if (!this.#send(events)) continue;
      this.#position = position;
      this.#caughtUp = events.length < PIECE_EVENTS;
      // Events that the client may not see fill no buffer; going through the whole log at once would hold up the node.
      if (sees !== undefined && !this.#caughtUp) {
        setImmediate(() => this.#takeFromLog());
        return;
      }
    }
    if (!this.#caughtUp || this.#ended || this.#saidSo) return;
    this.#saidSo = true;
    onCaughtUp?.(this);
  }

  /** In one piece. False where some were left for the next one. */
  #send(events: readonly MeshEvent[]): boolean {
    const { instance, capsuleId, sees } = this.#init;
    let text = '';
    let ends = false;
    for (const event of events) {
      this.#position = event.sequence;
      if (sees?.(event) === false) continue;
      text += `id: ${instance}-${event.sequence}\n${textOf(event)}`;
      ends = capsuleId !== undefined && event.type === 'done';
      if (ends || text.length >= BUFFER_BYTES) break;
    }
    if (text !== '') this.#wanted = this.push(text);
    if (ends) this.finish();
    return this.#position === events.at(-1)?.sequence || events.length === 0;
  }

  #release(): void {
    this.#ended = true;
    this.#cancelHeartbeat();
    this.#unfollow();
  }

  #beat(): void {
    this.#cancelHeartbeat = this.#components.clock.after(HEARTBEAT_MS, () => {
      if (this.#wanted) this.#wanted = this.push(': alive\n\n');
      else if (++this.#unreadBeats >= MAX_UNREAD_BEATS) this.destroy();
      if (!this.#ended) this.#beat();
    });
  }
}

function textOf(event: MeshEvent): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

/**
 * The `since` that a `Last-Event-ID` stands for: events are numbered from the node's start, so what an earlier life
 * of the node sent stands for none of this one's. Undefined where the client has seen nothing yet.
 */
export function resumePoint(
  lastEventId: string | string[] | undefined,
  instance: string,
): number | undefined {
  if (typeof lastEventId !== 'string') return undefined;
  const [, from, sequence] = /^([a-z0-9]{1,32})-(\d{1,15})$/.exec(lastEventId) ?? [];
  if (sequence === undefined)
    throw new MeshError('invalid_request', 'The Last-Event-ID is not one of this node’s.');
  return from === instance ? Number(sequence) : 0;
}
