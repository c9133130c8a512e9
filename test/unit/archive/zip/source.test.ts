import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openFileSource } from '../../../../src/archive/file-source.ts';
import {
  bytesSource,
  chunksOf,
  passingChunksOf,
  STREAM_CHUNK_BYTES,
} from '../../../../src/archive/source.ts';
import { digestEntry } from '../../../../src/archive/zip/content.ts';
import { openContainer } from '../../../../src/archive/zip/reader.ts';
import { rawZip } from '../../../support/raw-zip.ts';
import { components, entryOf, expectRefusal } from './opening.ts';

const CONTENT = Uint8Array.from({ length: 9 * STREAM_CHUNK_BYTES + 77 }, (_, place) => place % 251);
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'capsule-source-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function fileOf(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

async function joined(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return new Uint8Array(Buffer.concat(parts));
}

describe('a file', () => {
  test('is read where it is asked for, in chunks that may be kept', async () => {
    await using file = await openFileSource(await fileOf('chunks', CONTENT));
    expect(file.size).toBe(CONTENT.length);
    expect(await file.read(1_000, 5)).toEqual(CONTENT.subarray(1_000, 1_005));
    expect(Buffer.compare(await joined(chunksOf(file, 5, CONTENT.length - 9)), CONTENT.subarray(5, -4))).toBe(
      0,
    );
    expect(Buffer.compare(await file.read(0, file.size), CONTENT)).toBe(0);
    expect(await joined(chunksOf(file, 3, 0))).toEqual(new Uint8Array());
  });

  test('is passed on in two chunks of memory', async () => {
    await using file = await openFileSource(await fileOf('passing', CONTENT));
    const buffers = new Set<ArrayBufferLike>();
    let position = 0;
    for await (const chunk of passingChunksOf(file, 0, CONTENT.length)) {
      expect(Buffer.compare(chunk, CONTENT.subarray(position, position + chunk.length))).toBe(0);
      buffers.add(chunk.buffer);
      position += chunk.length;
    }
    expect([position, buffers.size]).toEqual([CONTENT.length, 2]);
  });

  test('is hashed as it is in memory', async () => {
    const archive = rawZip([
      { name: 'big', content: CONTENT },
      { name: 'small', content: 'x' },
    ]);
    await using file = await openFileSource(await fileOf('archive', archive));
    const container = await openContainer(components, file);
    expect(await digestEntry(components, container, entryOf(container, 'big'))).toEqual({
      sha256: components.crypto.sha256Hex(CONTENT),
      crcMatches: true,
    });
  });

  test('with many entries takes few reads to open', async () => {
    const entries = Array.from({ length: 2_000 }, (_, place) => ({
      name: `f${String(place)}`,
      content: 'text',
    }));
    const archive = rawZip(entries);
    let reads = 0;
    const read = async (offset: number, length: number): Promise<Uint8Array> => {
      reads += 1;
      return archive.subarray(offset, offset + length);
    };
    expect((await openContainer(components, { size: archive.length, read })).entries.size).toBe(2_000);
    expect(reads).toBeLessThan(10);
  });

  test('that gets shorter while it is read is cut short', async () => {
    const path = await fileOf('shrinking', CONTENT);
    await using file = await openFileSource(path);
    await truncate(path, 2 * STREAM_CHUNK_BYTES);
    await expectRefusal(joined(chunksOf(file, 0, file.size)), 'truncated');
    await expectRefusal(joined(passingChunksOf(file, 0, file.size)), 'truncated');
  });

  test('that is closed twice, and read after that, says so', async () => {
    const file = await openFileSource(await fileOf('closed', CONTENT));
    await file.close();
    await file.close();
    await expect(file.read(0, 1)).rejects.toMatchObject({ code: 'usage' });
  });

  test('that is none, a folder or a pipe, is the caller’s mistake', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    for (const [path, reason] of [
      [join(folder, 'missing'), 'ENOENT'],
      [folder, 'it is not a file'],
      [pipe, 'it is not a file'],
    ] as const)
      await expect(openFileSource(path)).rejects.toMatchObject({
        code: 'usage',
        message: `${path} cannot be read (${reason}).`,
      });
  });
});

test('a stream that is stopped early leaves nothing to be read', async () => {
  let [begun, ended] = [0, 0];
  const source = {
    size: CONTENT.length,
    read: async (offset: number, length: number): Promise<Uint8Array> => {
      begun += 1;
      await Promise.resolve();
      ended += 1;
      return CONTENT.subarray(offset, offset + length);
    },
  };
  for await (const chunk of chunksOf(source, 0, source.size)) {
    expect(chunk.length).toBe(STREAM_CHUNK_BYTES);
    break;
  }
  expect([begun, ended]).toEqual([2, 2]);
});

test('bytes in memory are not copied', async () => {
  const source = bytesSource(CONTENT);
  expect(source.read(10, 20).buffer).toBe(CONTENT.buffer);
  expect(Buffer.compare(await joined(chunksOf(source, 1, 3_000_000)), CONTENT.subarray(1, 3_000_001))).toBe(
    0,
  );
});
