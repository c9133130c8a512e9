import { deflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { MemorySource, STREAM_CHUNK_BYTES } from '../../../../src/archive/source.ts';
import type { ArchiveEntry, ByteSource, Container } from '../../../../src/archive/types.ts';
import { digestEntry, readEntry, readUnchecked, streamEntry } from '../../../../src/archive/zip/content.ts';
import { openContainer } from '../../../../src/archive/zip/reader.ts';
import { seededRandom } from '../../../support/random.ts';
import { type RawEntry, rawZip } from '../../../support/raw-zip.ts';
import { components, entryOf, expectRefusal, open } from './opening.ts';

const { crypto } = components;
const random = seededRandom(1);
/** Above what is read at once, and no multiple of a chunk. */
const LARGE = new Uint8Array(8 * STREAM_CHUNK_BYTES + 12_345);
for (let place = 0; place < LARGE.length; place += 97) LARGE[place] = random() * 256;
const TEXT = 'seven samurai '.repeat(4_000);

/** The same bytes, by promises, as a file gives them. */
const asynchronous = (bytes: Uint8Array): ByteSource => ({
  size: bytes.length,
  read: async (offset, length) => bytes.slice(offset, offset + length),
});

async function onlyEntry(entry: RawEntry): Promise<[Container, ArchiveEntry]> {
  const container = await openContainer(components, asynchronous(rawZip([entry])));
  return [container, entryOf(container, 'x')];
}

async function streamed(container: Container, entry: ArchiveEntry): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  await streamEntry(components, container, entry, async (chunk) => {
    chunks.push(chunk);
  });
  return new Uint8Array(Buffer.concat(chunks));
}

describe.each([
  ['stored', false],
  ['deflated', true],
])('a %s entry', (_how, deflate) => {
  test.each([
    ['empty', new Uint8Array()],
    ['small', new TextEncoder().encode(TEXT)],
    ['large', LARGE],
  ])('that is %s is read, streamed and hashed', async (_size, content) => {
    const [container, entry] = await onlyEntry({ name: 'x', content, deflate });
    const expected = { sha256: crypto.sha256Hex(content), crcMatches: true };
    expect(Buffer.compare(await readEntry(components, container, entry), content)).toBe(0);
    expect(Buffer.compare(await streamed(container, entry), content)).toBe(0);
    expect(await digestEntry(components, container, entry)).toEqual(expected);
    const inMemory = await open(rawZip([{ name: 'x', content, deflate }]));
    expect(inMemory.source).toBeInstanceOf(MemorySource);
    expect(await digestEntry(components, inMemory, entryOf(inMemory, 'x'))).toEqual(expected);
  });

  test.each([
    ['small', new TextEncoder().encode(TEXT)],
    ['large', LARGE],
  ])('that is %s and has a wrong checksum is told apart', async (_size, content) => {
    const [container, entry] = await onlyEntry({ name: 'x', content, deflate, crc32: 1 });
    const refusal = await expectRefusal(readEntry(components, container, entry), 'wrong_crc');
    expect(refusal.path).toBe('x');
    await expectRefusal(streamed(container, entry), 'wrong_crc');
    const digest = { sha256: crypto.sha256Hex(content), crcMatches: false };
    expect(await digestEntry(components, container, entry)).toEqual(digest);
    expect((await readUnchecked(components, container, entry)).crcMatches).toBe(false);
  });

  test('stops when it is told to', async () => {
    const [container, entry] = await onlyEntry({ name: 'x', content: LARGE, deflate });
    const stopped = AbortSignal.abort(new Error('enough'));
    await expect(digestEntry(components, container, entry, { signal: stopped })).rejects.toThrow('enough');
    const controller = new AbortController();
    let chunks = 0;
    const sink = (): void => {
      chunks += 1;
      controller.abort(new Error('one is enough'));
    };
    await expect(streamEntry(components, container, entry, sink, controller.signal)).rejects.toThrow(
      'one is',
    );
    expect(chunks).toBe(1);
  });
});

describe('deflated data is refused', () => {
  const packed = deflateRawSync(TEXT);
  test.each([
    ['that unpacks to more than stated', deflateRawSync(`${TEXT}!`)],
    ['that unpacks to far more than stated', deflateRawSync(new Uint8Array(64_000_000))],
    ['that unpacks to less than stated', deflateRawSync(TEXT.slice(1))],
    ['that unpacks to nothing', deflateRawSync('')],
    ['that is not there', new Uint8Array()],
    ['that is cut short', packed.subarray(0, -3)],
    ['that has something behind it', Buffer.concat([packed, Buffer.from('more')])],
    ['that is something else', new Uint8Array(50).fill(0xff)],
  ])('%s', async (_what, data) => {
    const [container, entry] = await onlyEntry({ name: 'x', content: TEXT, deflate: true, data });
    await expectRefusal(readEntry(components, container, entry), 'wrong_size');
    await expectRefusal(digestEntry(components, container, entry), 'wrong_size');
    let bytes = 0;
    const sink = (chunk: Uint8Array): void => {
      bytes += chunk.length;
    };
    await expectRefusal(streamEntry(components, container, entry, sink), 'wrong_size');
    expect(bytes).toBeLessThanOrEqual(TEXT.length);
  });
});

test('what fails while reading is told as it is, packed or not', async () => {
  for (const deflate of [false, true]) {
    const archive = rawZip([{ name: 'x', content: LARGE, deflate }]);
    const container = await openContainer(components, asynchronous(archive));
    const source = { size: archive.length, read: () => Promise.reject(new TypeError('the disk is gone')) };
    const broken = { ...container, source };
    const entry = entryOf(container, 'x');
    await expect(readEntry(components, broken, entry)).rejects.toThrow('the disk is gone');
    await expect(digestEntry(components, broken, entry)).rejects.toThrow('the disk is gone');
  }
});
