import type { Stream, StreamMessageEvent } from '@libp2p/interface';
import type { Clock } from '../lib/clock.ts';
import { FrameDecoder } from './frame.ts';
import type { TokenBucket } from './token-bucket.ts';

/** What one peer may send, over all its streams. */
export interface PeerRate {
  frames: TokenBucket;
  bytes: TokenBucket;
}

export interface FrameReaderComponents {
  stream: Stream;
  rate: PeerRate;
  clock: Clock;
  /** Called in order. */
  onFrame: (body: Uint8Array) => void;
  /** Called once, with the reason; nothing is read afterwards. */
  onGarbage: (reason: string) => void;
}

/**
 * Frames handled before others get a turn: a few milliseconds of work. With more, two busy nodes take turns instead of
 * working at the same time: each would answer a whole burst at once, and idle while the other handles it.
 */
const FRAMES_PER_TURN = 8;
/** What the muxer may still deliver after a pause: one receive window of 4 MiB, with room. */
export const READ_BUFFER_BYTES = 8_388_608;

/** Reads the frames of one stream, no faster than the peer may send: above its rate the stream is paused. */
export class FrameReader {
  readonly #components: FrameReaderComponents;
  readonly #decoder: FrameDecoder;
  #waiting: (() => void) | null = null;
  #closed = false;

  constructor(components: FrameReaderComponents, init: { maxFrameBytes: number }) {
    this.#components = components;
    this.#decoder = new FrameDecoder({ maxBytes: init.maxFrameBytes });
    const { stream } = components;
    stream.maxReadBufferLength = READ_BUFFER_BYTES;
    stream.addEventListener('close', this.close);
    stream.addEventListener('message', this.#onMessage);
  }

  /** Lets go of the stream; does not close it. */
  readonly close = (): void => {
    this.#closed = true;
    this.#waiting?.();
    this.#waiting = null;
    this.#components.stream.removeEventListener('close', this.close);
    this.#components.stream.removeEventListener('message', this.#onMessage);
  };

  readonly #onMessage = (event: StreamMessageEvent): void => {
    this.#components.rate.bytes.take(event.data.byteLength);
    this.#decoder.push(event.data);
    if (this.#waiting === null) this.#read();
  };

  readonly #read = (): void => {
    const { rate, onFrame, onGarbage } = this.#components;
    this.#waiting = null;
    try {
      for (let handled = 0; !this.#closed; handled++) {
        const waitMs = Math.max(rate.frames.waitMs(), rate.bytes.waitMs());
        if (waitMs > 0 || handled >= FRAMES_PER_TURN) {
          this.#pause(waitMs);
          return;
        }
        const body = this.#decoder.next();
        if (body === undefined) break;
        rate.frames.take(1);
        onFrame(body);
      }
      this.#resume();
    } catch (error) {
      this.close();
      onGarbage(error instanceof Error ? error.message : 'A frame is not readable.');
    }
  };

  #pause(waitMs: number): void {
    const { stream, clock } = this.#components;
    if (stream.readStatus === 'readable') stream.pause();
    if (waitMs > 0) {
      this.#waiting = clock.after(waitMs, this.#read);
      return;
    }
    const turn = setImmediate(this.#read);
    this.#waiting = () => clearImmediate(turn);
  }

  #resume(): void {
    const { stream } = this.#components;
    if (!this.#closed && stream.readStatus === 'paused') stream.resume();
  }
}
