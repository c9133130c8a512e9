import { Uint8ArrayList } from 'uint8arraylist';
import { MeshError } from '../lib/errors.ts';

/** 4 × 7 bits: 256 MiB, above every frame limit. A longer prefix is refused without reading on. */
const MAX_PREFIX_BYTES = 4;

/** One frame: the length of the body as an unsigned varint, then the body. */
export function encodeFrame(body: Uint8Array): Uint8Array {
  const prefix: number[] = [];
  for (let rest = body.length; ; rest >>>= 7) {
    if (rest < 0x80) {
      prefix.push(rest);
      break;
    }
    prefix.push((rest & 0x7f) | 0x80);
  }
  const frame = Buffer.allocUnsafe(prefix.length + body.length);
  frame.set(prefix);
  frame.set(body, prefix.length);
  return frame;
}

/**
 * Cuts a stream of chunks into frame bodies, wherever the chunks were split. Pulled frame by frame, so that its
 * reader can stop in mid-chunk when a peer sends faster than it may.
 */
export class FrameDecoder {
  readonly #maxBytes: number;
  readonly #buffer = new Uint8ArrayList();

  constructor(init: { maxBytes: number }) {
    this.#maxBytes = init.maxBytes;
  }

  push(chunk: Uint8Array | Uint8ArrayList): void {
    this.#buffer.append(chunk);
  }

  /** Bytes that wait for the rest of their frame, once `next` gave undefined. */
  get byteLength(): number {
    return this.#buffer.byteLength;
  }

  /** Bytes of the frame that was begun, as far as it says. Throws as `next` does. */
  get expected(): number {
    return this.#prefix()?.length ?? 0;
  }

  /** The next whole frame's body, or undefined until more arrives. Throws `too_large` and `invalid_request`. */
  next(): Uint8Array | undefined {
    const prefix = this.#prefix();
    if (prefix === undefined) return undefined;
    const end = prefix.bytes + prefix.length;
    if (this.#buffer.byteLength < end) return undefined;
    const body = this.#buffer.subarray(prefix.bytes, end);
    this.#buffer.consume(end);
    return body;
  }

  #prefix(): { length: number; bytes: number } | undefined {
    let length = 0;
    for (let index = 0; index < MAX_PREFIX_BYTES; index++) {
      if (index >= this.#buffer.byteLength) return undefined;
      const byte = this.#buffer.get(index);
      length |= (byte & 0x7f) << (7 * index);
      if (byte >= 0x80) continue;
      if (length === 0) throw new MeshError('invalid_request', 'A frame is empty.');
      if (length > this.#maxBytes) {
        throw new MeshError(
          'too_large',
          `A frame of ${length} bytes is announced; the limit is ${this.#maxBytes}.`,
        );
      }
      return { length, bytes: index + 1 };
    }
    throw new MeshError('too_large', 'A frame announces a length beyond every limit.');
  }
}
