import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ByteSource } from '../../archive/types.ts';

/** Of work between two turns of the event loop: a few milliseconds. */
const TURN_BYTES = 1_048_576;
/** What a piece costs however small it is, in bytes. */
const PIECE_BYTES = 8_192;

/** Lets the node's other work in, in the middle of much work that waits for nothing. */
export class Turns {
  #left = TURN_BYTES;

  /** To be called before each piece. Throws what the signal gives. */
  async before(bytes: number, signal?: AbortSignal): Promise<void> {
    this.#left -= bytes + PIECE_BYTES;
    if (this.#left > 0) return;
    this.#left = TURN_BYTES;
    await nextTurn(undefined, { ...(signal && { signal }) });
  }

  /** Bytes that are read in turns. */
  source(bytes: Uint8Array): ByteSource {
    return {
      size: bytes.length,
      read: async (offset, length) => {
        await this.before(length);
        return bytes.subarray(offset, offset + length);
      },
    };
  }
}
