import type { ByteSource } from './types.ts';

/** Read at a time from something large: long enough that a read's own cost does not count, short in memory. */
export const STREAM_CHUNK_BYTES = 1_048_576;

/** Bytes that are in memory anyway: reading them copies nothing. */
export class MemorySource implements ByteSource {
  readonly size: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.size = bytes.length;
  }

  read(offset: number, length: number): Uint8Array {
    return this.#bytes.subarray(offset, offset + length);
  }
}

/** A source that can also read into memory it is given, so that a stream needs two chunks and no more. */
export interface ReusableSource extends ByteSource {
  /** Fills `target` from `offset` on; rejects where there are fewer bytes. */
  readInto(target: Uint8Array<ArrayBuffer>, offset: number): Promise<void>;
}

/** The bytes are not copied: they may not change while the source is in use. */
export const bytesSource = (bytes: Uint8Array): MemorySource => new MemorySource(bytes);

export const sourceOf = (input: Uint8Array | ByteSource): ByteSource =>
  input instanceof Uint8Array ? bytesSource(input) : input;

type Read = ByteSource['read'];

/** The bytes in order, at most `STREAM_CHUNK_BYTES` at a time; the next chunk is being read while one is used. */
export function chunksOf(source: ByteSource, offset: number, length: number): AsyncGenerator<Uint8Array> {
  return readAhead((position, bytes) => source.read(position, bytes), offset, length);
}

/** As `chunksOf`, for who is done with a chunk before asking for the next: its memory is used again where possible. */
export function passingChunksOf(
  source: ByteSource,
  offset: number,
  length: number,
): AsyncGenerator<Uint8Array> {
  return isReusable(source)
    ? readAhead(intoTwoChunks(source, length), offset, length)
    : chunksOf(source, offset, length);
}

async function* readAhead(read: Read, offset: number, length: number): AsyncGenerator<Uint8Array> {
  const end = offset + length;
  let position = offset;
  const ahead = (): ReturnType<Read> | null => {
    if (position >= end) return null;
    const reading = read(position, Math.min(STREAM_CHUNK_BYTES, end - position));
    // It may fail before anybody waits for it; whoever asks for the chunk hears of it then.
    if (reading instanceof Promise) reading.catch(() => undefined);
    return reading;
  };
  let next = ahead();
  try {
    while (next !== null) {
      const chunk: Uint8Array = next instanceof Uint8Array ? next : await next;
      if (chunk.length !== Math.min(STREAM_CHUNK_BYTES, end - position))
        throw new RangeError('A source gave other than the bytes it was asked for.');
      position += chunk.length;
      next = ahead();
      yield chunk;
    }
  } finally {
    // Stopped early: nothing may be read any more once the caller closes the source.
    await Promise.resolve(next).catch(() => undefined);
  }
}

function intoTwoChunks(source: ReusableSource, length: number): Read {
  const size = Math.min(STREAM_CHUNK_BYTES, length);
  let [current, other] = [new Uint8Array(size), new Uint8Array(size)];
  return async (offset, bytes) => {
    [current, other] = [other, current];
    const target = current.subarray(0, bytes);
    await source.readInto(target, offset);
    return target;
  };
}

const isReusable = (source: ByteSource): source is ReusableSource => 'readInto' in source;
