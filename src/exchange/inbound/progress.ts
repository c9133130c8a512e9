import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import type { ExchangeMessageOf } from '../../../protocols/messages/v1/schema.ts';
import type { Network } from '../../network/types.ts';
import type { EventLog } from '../event-log.ts';
import { trySend } from '../try-send.ts';
import type { Answers } from './answers.ts';

/** Streams that are put in order at a time; one that is forgotten begins again with what comes. */
const MAX_STREAMS = 4_096;
/** Deltas of one stream, and characters of all, that wait for what was lost before them; beyond it the gap is told. */
const MAX_HELD = 4_096;
const MAX_HELD_CHARS = 8_388_608;

interface Stream {
  epoch: number;
  /** Number of the delta that comes next. */
  next: number;
  /** Deltas that the executor is known to have said. */
  said: number;
  /** By number: what came after a gap. */
  readonly held: Map<number, string>;
  /** What is missing was asked for again. */
  asked: boolean;
}

interface Components {
  answers: Answers;
  events: EventLog;
  network: Network;
  log: Logger;
}

/** Passes on what an executor says of its run: in order, nothing twice, and what is missing is said. */
export class Progress {
  readonly #components: Components;
  readonly #streams = new LRUCache<string, Stream>({
    max: MAX_STREAMS,
    dispose: ({ held }) => {
      for (const delta of held.values()) this.#heldChars -= delta.length;
    },
  });
  #heldChars = 0;

  constructor(components: Components) {
    this.#components = components;
  }

  onProgress(from: string, message: ExchangeMessageOf<'capsule_progress'>): void {
    const { answers, events } = this.#components;
    const { capsuleId, epoch, delta, stage, seq } = message;
    if (!answers.onSignOfLife(from, capsuleId, epoch)) return;
    if (stage !== undefined) events.emit({ type: 'progress', capsuleId, epoch, stage });
    const stream = this.#streamOf(capsuleId, epoch);
    if (stream === undefined || seq < stream.next) return;
    stream.said = Math.max(stream.said, delta === undefined ? seq : seq + 1);
    // The answer begins after the gap: the executor does not have it any more.
    const repeated = delta !== undefined && stream.held.has(seq);
    if (delta !== undefined && !repeated) this.#hold(stream, seq, delta);
    if (repeated) this.#skip(capsuleId, stream);
    this.#pass(capsuleId, stream);
    if (stream.held.size > MAX_HELD || this.#heldChars > MAX_HELD_CHARS) this.#passAll(capsuleId, stream);
    // Once for every gap, and again with every sign of life, since the question may have been lost.
    if (stream.next === stream.said || (stream.asked && delta !== undefined)) return;
    stream.asked = true;
    const request = { type: 'capsule_progress_request', capsuleId, epoch, from: stream.next } as const;
    void trySend(this.#components, from, request);
  }

  /** Nothing is repeated after the outcome: what is still missing is said. */
  onEnd(from: string, { capsuleId, receipt: { epoch } }: ExchangeMessageOf<'capsule_result'>): void {
    const stream = this.#streams.get(capsuleId);
    if (stream === undefined || epoch !== stream.epoch) return;
    if (!this.#components.answers.onSignOfLife(from, capsuleId, epoch)) return;
    this.#passAll(capsuleId, stream);
    const missing = stream.said - stream.next;
    if (missing > 0) this.#components.events.emit({ type: 'progress', capsuleId, epoch, missing });
    stream.next = stream.said;
  }

  #hold(stream: Stream, seq: number, delta: string): void {
    stream.held.set(seq, delta);
    this.#heldChars += delta.length;
  }

  /** Whatever follows without a gap. */
  #pass(capsuleId: string, stream: Stream): void {
    for (let delta = stream.held.get(stream.next); delta !== undefined; delta = stream.held.get(stream.next))
      this.#tell(capsuleId, stream, stream.next, delta);
  }

  /** The first gap, and what follows it. */
  #skip(capsuleId: string, stream: Stream): void {
    let first = Number.POSITIVE_INFINITY;
    for (const seq of stream.held.keys()) first = Math.min(first, seq);
    const delta = stream.held.get(first);
    if (delta !== undefined) this.#tell(capsuleId, stream, first, delta);
  }

  #passAll(capsuleId: string, stream: Stream): void {
    for (const [seq, delta] of [...stream.held].sort(([a], [b]) => a - b))
      this.#tell(capsuleId, stream, seq, delta);
  }

  #tell(capsuleId: string, stream: Stream, seq: number, delta: string): void {
    const { epoch } = stream;
    const missing = seq - stream.next;
    stream.held.delete(seq);
    this.#heldChars -= delta.length;
    stream.next = seq + 1;
    stream.asked = false;
    this.#components.events.emit({
      type: 'progress',
      capsuleId,
      epoch,
      delta,
      number: seq,
      ...(missing > 0 && { missing }),
    });
  }

  /** Undefined for an epoch that is over. */
  #streamOf(capsuleId: string, epoch: number): Stream | undefined {
    const known = this.#streams.get(capsuleId);
    if (known !== undefined && known.epoch >= epoch) return known.epoch === epoch ? known : undefined;
    const stream: Stream = { epoch, next: 0, said: 0, held: new Map(), asked: false };
    this.#streams.set(capsuleId, stream);
    return stream;
  }
}
