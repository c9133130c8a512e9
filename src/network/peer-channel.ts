import type { Stream } from '@libp2p/interface';
import type { Clock } from '../lib/clock.ts';
import { MeshError } from '../lib/errors.ts';
import type { PeerBudget } from './budgets.ts';
import { FrameReader } from './frame-reader.ts';
import type { NetworkLimits } from './limits.ts';
import type { PartialFrames } from './partial-frames.ts';
import { SendQueue } from './send-queue.ts';

export interface PeerChannelComponents {
  clock: Clock;
  budget: PeerBudget;
  partial: PartialFrames;
  /** While false nothing is read; `wakeReaders` says that it may have changed. */
  ready: () => boolean;
  /** Opens an exchange stream to the peer, dialling when needed; rejects with `unreachable`. */
  open: () => Promise<Stream>;
  onFrame: (body: Uint8Array, kind: string) => void;
  onGarbage: (reason: string) => void;
  /** Nothing is open and nothing waits. */
  onIdle: () => void;
}

/** Frames of one tick are written together, in pieces of this size: the transport's own units are 64 KiB. */
const WRITE_BYTES = 32_768;

type Writer = { state: 'none' } | { state: 'opening' } | { state: 'open'; stream: Stream };

/**
 * All exchange with one peer. Frames go out on one stream, opened by whichever side needed it first; frames are
 * read from every stream the peer opened. When both open one at the same time each keeps to its own direction, so
 * order holds and nothing has to be negotiated.
 */
export class PeerChannel {
  readonly #components: PeerChannelComponents;
  readonly #limits: NetworkLimits;
  readonly #queue: SendQueue;
  readonly #readers = new Map<Stream, FrameReader>();
  #writer: Writer = { state: 'none' };
  #flushing = false;
  #ended = false;

  constructor(components: PeerChannelComponents, limits: NetworkLimits) {
    this.#components = components;
    this.#limits = limits;
    this.#queue = new SendQueue({ maxFrames: limits.sendQueueFrames, maxBytes: limits.sendQueueBytes });
  }

  /** Resolves when the frame was handed to the transport. */
  send(frame: Uint8Array, signal?: AbortSignal): Promise<void> {
    const sent = this.#queue.push(frame, signal);
    this.#wake();
    return sent;
  }

  /** Takes a stream that either side opened. */
  adopt(stream: Stream): void {
    if (this.#ended || stream.status !== 'open') {
      stream.abort(new Error('The exchange with this peer has ended'));
      return;
    }
    const reader = new FrameReader(
      { ...this.#components, stream },
      { maxFrameBytes: this.#limits.frameBytes },
    );
    this.#readers.set(stream, reader);
    stream.addEventListener('close', () => this.#onClose(stream), { once: true });
    if (this.#writer.state === 'open') return;
    this.#writer = { state: 'open', stream };
    // The stream's own listener runs first and writes what it still holds.
    stream.addEventListener('drain', this.#wake);
    this.#wake();
  }

  wakeReaders(): void {
    for (const reader of this.#readers.values()) reader.wake();
  }

  /** Closes the streams once they have sent what they took; what is sent afterwards opens another. */
  closeStreams(): void {
    this.#flush();
    for (const stream of [...this.#readers.keys()]) {
      stream.close().catch((error: Error) => stream.abort(error));
    }
  }

  /** Hands over what still waits where a stream can take it, rejects the rest, and opens nothing any more. */
  end(error: MeshError): void {
    if (this.#ended) return;
    this.#flush();
    this.#ended = true;
    this.#queue.fail(error);
    for (const reader of this.#readers.values()) reader.close();
    this.#readers.clear();
  }

  readonly #wake = (): void => {
    if (this.#writer.state === 'none') this.#open();
    if (this.#writer.state !== 'open' || this.#flushing) return;
    this.#flushing = true;
    // After the promise callbacks of this tick, so that what they send shares the write.
    queueMicrotask(() => process.nextTick(this.#flush));
  };

  readonly #flush = (): void => {
    this.#flushing = false;
    if (this.#writer.state !== 'open') return;
    const { stream } = this.#writer;
    while (this.#queue.size > 0 && !stream.writableNeedsDrain && stream.writeStatus === 'writable') {
      this.#queue.drain(WRITE_BYTES, (bytes) => stream.send(bytes));
    }
  };

  #open(): void {
    if (this.#ended || this.#queue.size === 0) return;
    this.#writer = { state: 'opening' };
    this.#components.open().then(
      (stream) => this.adopt(stream),
      (error: unknown) => this.#onOpenFailed(error),
    );
  }

  #onOpenFailed(error: unknown): void {
    // The peer may have opened one meanwhile, and then nothing is lost.
    if (this.#writer.state !== 'opening') return;
    this.#writer = { state: 'none' };
    this.#queue.fail(
      error instanceof MeshError
        ? error
        : new MeshError('unreachable', 'The node cannot be reached.', undefined, { cause: error }),
    );
    this.#idle();
  }

  #onClose(stream: Stream): void {
    stream.removeEventListener('drain', this.#wake);
    this.#readers.delete(stream);
    if (this.#writer.state === 'open' && this.#writer.stream === stream) this.#writer = { state: 'none' };
    if (this.#writer.state === 'none') this.#wake();
    this.#idle();
  }

  #idle(): void {
    if (!this.#ended && this.#writer.state === 'none' && this.#readers.size === 0) this.#components.onIdle();
  }
}
