import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import type { ExchangeMessageOf } from '../../../protocols/messages/v1/schema.ts';
import type { Network } from '../../network/types.ts';
import type { EventLog } from '../event-log.ts';
import { trySend } from '../try-send.ts';
import type { Answers } from './answers.ts';

/** Streams that are put in order at a time; one that is forgotten begins again with what comes. */
const MAX_STREAMS = 4_096;

interface Stream {
  epoch: number;
  /** Number of the delta that comes next. */
  next: number;
  /** It was asked for again. */
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
  readonly #streams = new LRUCache<string, Stream>({ max: MAX_STREAMS });

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
    if (seq > stream.next && !stream.asked) {
      stream.asked = true;
      const request = { type: 'capsule_progress_request', capsuleId, epoch, from: stream.next } as const;
      void trySend(this.#components, from, request);
      return;
    }
    if (delta === undefined) return;
    // Asked for, and the executor has it no more.
    const missing = seq - stream.next;
    stream.next = seq + 1;
    stream.asked = false;
    events.emit({ type: 'progress', capsuleId, epoch, delta, ...(missing > 0 && { missing }) });
  }

  /** Undefined for an epoch that is over. */
  #streamOf(capsuleId: string, epoch: number): Stream | undefined {
    const known = this.#streams.get(capsuleId);
    if (known !== undefined && known.epoch >= epoch) return known.epoch === epoch ? known : undefined;
    const stream = { epoch, next: 0, asked: false };
    this.#streams.set(capsuleId, stream);
    return stream;
  }
}
