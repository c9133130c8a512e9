import { LayoutError } from '../layout-error.ts';
import type { ArchiveEntry } from '../types.ts';

/** Inflates to at most a thousand times as much, which some hosts hold at once. */
const PACKED_CHUNK_BYTES = 16_384;

/**
 * Unpacks deflated data as it comes. Stops as soon as more bytes come out than the entry states, so a bomb costs no
 * more than a stated size that the limits allowed. Throws LayoutError `wrong_size`, and what reading throws.
 */
export async function* inflated(
  packed: AsyncIterable<Uint8Array>,
  { path, size }: ArchiveEntry,
): AsyncGenerator<Uint8Array> {
  const input = new PackedInput(packed);
  const output = new ReadableStream(input).pipeThrough(new DecompressionStream('deflate-raw')).getReader();
  const wrong = (problem: string): LayoutError => new LayoutError('wrong_size', `${path} ${problem}.`, path);
  let total = 0;
  try {
    for (;;) {
      const { done, value } = await output.read().catch((error: unknown) => {
        throw input.failed ? error : wrong('cannot be unpacked');
      });
      if (done) break;
      total += value.length;
      if (total > size) throw wrong(`unpacks to more than the ${String(size)} bytes stated`);
      yield value;
    }
  } finally {
    // Also lets go of the source, when nobody wants the rest.
    await output.cancel().catch(() => undefined);
  }
  if (total < size) throw wrong(`unpacks to ${String(total)} bytes instead of ${String(size)}`);
}

/** Gives the packed bytes in pieces, as copies: a stream takes what it is given for its own. */
class PackedInput {
  /** Reading failed, rather than unpacking. */
  failed = false;
  readonly #pieces: AsyncGenerator<Uint8Array<ArrayBuffer>>;

  constructor(packed: AsyncIterable<Uint8Array>) {
    this.#pieces = piecesOf(packed);
  }

  async pull(controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>): Promise<void> {
    try {
      const { done, value } = await this.#pieces.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    } catch (error) {
      this.failed = true;
      throw error;
    }
  }

  async cancel(): Promise<void> {
    await this.#pieces.return(undefined);
  }
}

async function* piecesOf(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for await (const chunk of packed) {
    for (let offset = 0; offset < chunk.length; offset += PACKED_CHUNK_BYTES)
      yield chunk.slice(offset, offset + PACKED_CHUNK_BYTES);
  }
}
