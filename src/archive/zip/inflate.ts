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
  const pieces = piecesOf(packed);
  let readingFailed = false;
  const input = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      try {
        const { done, value } = await pieces.next();
        if (done === true) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        readingFailed = true;
        throw error;
      }
    },
    async cancel() {
      await pieces.return(undefined);
    },
  });
  const output = input.pipeThrough(new DecompressionStream('deflate-raw')).getReader();
  const wrong = (problem: string): LayoutError => new LayoutError('wrong_size', `${path} ${problem}.`, path);
  let total = 0;
  try {
    for (;;) {
      const { done, value } = await output.read().catch((error: unknown) => {
        throw readingFailed ? error : wrong('cannot be unpacked');
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

/** In short pieces, as copies: a stream takes what it is given for its own. */
async function* piecesOf(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for await (const chunk of packed) {
    for (let offset = 0; offset < chunk.length; offset += PACKED_CHUNK_BYTES)
      yield chunk.slice(offset, offset + PACKED_CHUNK_BYTES);
  }
}
