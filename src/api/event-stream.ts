import { Readable } from 'node:stream';
import type { Clock } from '../lib/clock.ts';
import { MeshError } from '../lib/errors.ts';
import type { MeshEvent } from './schemas/capsules.ts';

/** What may wait for a client that reads slowly; beyond that it is cut off, and resumes by `Last-Event-ID`. */
const BUFFER_BYTES = 1024 * 1024;
/** Keeps proxies from closing a quiet connection, and finds out about clients that are gone. */
const HEARTBEAT_MS = 15_000;

/** One client that follows events: text of the `text/event-stream` format, bounded. */
export class EventStream extends Readable {
  readonly #clock: Clock;
  readonly #instance: string;
  #cancelHeartbeat: () => void = () => undefined;
  #ended = false;

  constructor(components: { clock: Clock }, init: { instance: string }) {
    super({ highWaterMark: BUFFER_BYTES, read: () => undefined });
    this.#clock = components.clock;
    this.#instance = init.instance;
    // Tells the client that the stream is open before anything happens.
    this.#write(': open\n\n');
    this.#beat();
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** `id` only where it is a place to resume from. */
  send(event: MeshEvent, options: { resumable: boolean } = { resumable: true }): void {
    const id = options.resumable ? `id: ${this.#instance}-${event.sequence}\n` : '';
    this.#write(`${id}event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  }

  /** Ends after what was sent so far. */
  finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelHeartbeat();
    this.push(null);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#ended = true;
    this.#cancelHeartbeat();
    callback(error);
  }

  #write(text: string): void {
    if (this.#ended) return;
    this.push(text);
    if (this.readableLength > BUFFER_BYTES) this.destroy();
  }

  #beat(): void {
    this.#cancelHeartbeat = this.#clock.after(HEARTBEAT_MS, () => {
      this.#write(': alive\n\n');
      if (!this.#ended) this.#beat();
    });
  }
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
