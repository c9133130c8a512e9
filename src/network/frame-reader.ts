import type { Stream, StreamMessageEvent } from '@libp2p/interface';
import type { Clock } from '../lib/clock.ts';
import { kindOf, type PeerBudget } from './budgets.ts';
import { FrameDecoder } from './frame.ts';
import type { PartialFrame, PartialFrames } from './partial-frames.ts';

export interface FrameReaderComponents {
  stream: Stream;
  budget: PeerBudget;
  partial: PartialFrames;
  clock: Clock;
  /** While false nothing is read; `wake` says that it may have changed. */
  ready: () => boolean;
  /** Called in order, with the kind that the frame begins with. */
  onFrame: (body: Uint8Array, kind: string) => void;
  /** Called once, with the reason; nothing is read afterwards. */
  onGarbage: (reason: string) => void;
}

/**
 * Frames handled before others get a turn: a few milliseconds of work. With more, two busy nodes take turns instead of
 * working at the same time: each would answer a whole burst at once, and idle while the other handles it.
 */
const FRAMES_PER_TURN = 8;
/** What the muxer may still deliver after a pause: one receive window, with room. */
const READ_BUFFER_BYTES = 2_097_152;
/** Longest that a frame may take which was begun: this long, and as long as its bytes take at the slowest rate. */
const FRAME_GRACE_MS = 10_000;
const SLOWEST_BYTES_PER_SECOND = 32_768;

/** Reads the frames of one stream, no faster than the peer may send: above its rates the stream is paused. */
export class FrameReader implements PartialFrame {
  readonly #components: FrameReaderComponents;
  readonly #decoder: FrameDecoder;
  /** Read off the stream, and waiting for its budget. */
  #held: { body: Uint8Array; kind: string } | null = null;
  #waiting: (() => void) | null = null;
  #cancelDeadline: (() => void) | null = null;
  #closed = false;

  constructor(components: FrameReaderComponents, init: { maxFrameBytes: number }) {
    this.#components = components;
    this.#decoder = new FrameDecoder({ maxBytes: init.maxFrameBytes });
    const { stream } = components;
    stream.maxReadBufferLength = READ_BUFFER_BYTES;
    stream.addEventListener('close', this.close);
    stream.addEventListener('message', this.#onMessage);
    if (!components.ready()) this.#pause(null);
  }

  /** Lets go of the stream; does not close it. */
  readonly close = (): void => {
    this.#closed = true;
    this.#waiting?.();
    this.#waiting = null;
    this.#finished();
    this.#components.stream.removeEventListener('close', this.close);
    this.#components.stream.removeEventListener('message', this.#onMessage);
  };

  /** Reads on where it waited to become ready. */
  wake(): void {
    if (this.#closed || !this.#components.ready()) return;
    this.#waiting?.();
    this.#read();
  }

  abandon(reason: string): void {
    this.close();
    this.#components.stream.abort(new Error(reason));
  }

  readonly #onMessage = (event: StreamMessageEvent): void => {
    this.#components.budget.takeBytes(event.data.byteLength);
    this.#decoder.push(event.data);
    if (this.#waiting === null) this.#read();
  };

  readonly #read = (): void => {
    this.#waiting = null;
    try {
      for (let handled = 0; !this.#closed; handled++) {
        const step = handled < FRAMES_PER_TURN ? this.#handleNext() : { waitMs: 0 };
        if (step === 'more') continue;
        if (step === 'empty') this.#resume();
        else this.#pause(step.waitMs);
        return;
      }
    } catch (error) {
      this.close();
      this.#components.onGarbage(error instanceof Error ? error.message : 'A frame is not readable.');
    }
  };

  /** Handles one frame, or says why not now: `waitMs` as for `#pause`. */
  #handleNext(): 'more' | 'empty' | { waitMs: number | null } {
    const { budget, ready, onFrame } = this.#components;
    if (!ready()) return { waitMs: null };
    const waitMs = budget.waitMs();
    if (waitMs > 0) return { waitMs };
    const frame = this.#next();
    if (frame === undefined) return 'empty';
    const kindWaitMs = budget.kindWaitMs(frame.kind);
    if (kindWaitMs > 0) {
      this.#held = frame;
      return { waitMs: kindWaitMs };
    }
    budget.takeFrame();
    budget.takeKind(frame.kind);
    onFrame(frame.body, frame.kind);
    return 'more';
  }

  #next(): { body: Uint8Array; kind: string } | undefined {
    const held = this.#held;
    this.#held = null;
    if (held !== null) return held;
    const body = this.#decoder.next();
    if (body === undefined) {
      this.#begun();
      return undefined;
    }
    this.#finished();
    return { body, kind: kindOf(body) };
  }

  /** What is left in the decoder is the beginning of a frame: it counts, and has a time to end. */
  #begun(): void {
    const { partial, clock } = this.#components;
    const { byteLength, expected } = this.#decoder;
    partial.update(this, byteLength);
    if (byteLength === 0 || this.#closed || this.#cancelDeadline !== null) return;
    const ms = FRAME_GRACE_MS + (expected / SLOWEST_BYTES_PER_SECOND) * 1_000;
    this.#cancelDeadline = clock.after(ms, () => this.abandon('A frame was begun and not finished in time.'));
  }

  #finished(): void {
    this.#cancelDeadline?.();
    this.#cancelDeadline = null;
    this.#components.partial.update(this, 0);
  }

  /** For `waitMs`, for a turn where that is 0, or until `wake` where it is null. */
  #pause(waitMs: number | null): void {
    const { stream, clock, partial } = this.#components;
    if (stream.readStatus === 'readable') stream.pause();
    // A paused peer cannot end what it began.
    this.#cancelDeadline?.();
    this.#cancelDeadline = null;
    partial.update(this, this.#decoder.byteLength + (this.#held?.body.length ?? 0));
    if (this.#closed) return;
    if (waitMs === null) {
      this.#waiting = () => {};
    } else if (waitMs > 0) {
      this.#waiting = clock.after(waitMs, this.#read);
    } else {
      const turn = setImmediate(this.#read);
      this.#waiting = () => clearImmediate(turn);
    }
  }

  #resume(): void {
    const { stream } = this.#components;
    if (!this.#closed && stream.readStatus === 'paused') stream.resume();
  }
}
