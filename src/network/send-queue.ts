import { abortError } from '../lib/abort.ts';
import { MeshError } from '../lib/errors.ts';

export interface SendQueueInit {
  maxFrames: number;
  maxBytes: number;
}

interface Waiting {
  frame: Uint8Array;
  settle: (error?: Error) => void;
}

/** Frames that wait for one peer, in order, bounded in number and bytes; each can be aborted while it waits. */
export class SendQueue {
  readonly #init: SendQueueInit;
  /** A Set keeps the order, and lets an aborted frame leave in constant time. */
  readonly #waiting = new Set<Waiting>();
  #bytes = 0;

  constructor(init: SendQueueInit) {
    this.#init = init;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Resolves when the frame was taken. Rejects with `busy` when full, and as `fail` and the signal say. */
  push(frame: Uint8Array, signal?: AbortSignal): Promise<void> {
    const full =
      this.#waiting.size >= this.#init.maxFrames || this.#bytes + frame.length > this.#init.maxBytes;
    if (full) return Promise.reject(new MeshError('busy', 'Too much is waiting to be sent to this node.'));
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#remove(entry);
        if (signal !== undefined) reject(abortError(signal));
      };
      const entry: Waiting = {
        frame,
        settle: (error) => {
          signal?.removeEventListener('abort', onAbort);
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(entry);
      this.#bytes += frame.length;
    });
  }

  /**
   * Hands the oldest frames to `write` as one piece of about `maxBytes` (more only where a single frame is longer)
   * and settles them: rejected with what `write` throws.
   */
  drain(maxBytes: number, write: (bytes: Uint8Array) => void): void {
    const batch: Waiting[] = [];
    let bytes = 0;
    for (const entry of this.#waiting) {
      if (batch.length > 0 && bytes + entry.frame.length > maxBytes) break;
      bytes += entry.frame.length;
      batch.push(entry);
    }
    for (const entry of batch) this.#remove(entry);
    const [first] = batch;
    if (first === undefined) return;
    let failure: Error | undefined;
    try {
      write(
        batch.length === 1
          ? first.frame
          : Buffer.concat(
              batch.map(({ frame }) => frame),
              bytes,
            ),
      );
    } catch (error) {
      failure = new MeshError('interrupted', 'The connection broke while sending.', undefined, {
        cause: error,
      });
    }
    for (const entry of batch) entry.settle(failure);
  }

  /** Rejects everything that waits. */
  fail(error: Error): void {
    for (const entry of [...this.#waiting]) {
      this.#remove(entry);
      entry.settle(error);
    }
  }

  #remove(entry: Waiting): void {
    if (this.#waiting.delete(entry)) this.#bytes -= entry.frame.length;
  }
}
