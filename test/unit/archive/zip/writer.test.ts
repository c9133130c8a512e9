import { Uint8ArrayReader, Uint8ArrayWriter, ZipReader } from '@zip.js/zip.js';
import { describe, expect, test } from 'vitest';
import { readEntry } from '../../../../src/archive/zip/content.ts';
import { writeZip, type ZipFile, zipSize } from '../../../../src/archive/zip/writer.ts';
import { rawZip } from '../../../support/raw-zip.ts';
import { components, entryOf, open } from './opening.ts';

const { crypto } = components;

function file(path: string, content: string | Uint8Array): ZipFile {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  return { path, size: bytes.length, crc32: crypto.crc32(bytes), content: bytes };
}

async function written(files: ZipFile[]): Promise<{ bytes: Uint8Array; calls: number }> {
  const chunks: Uint8Array[] = [];
  await writeZip(components, files, (chunk) => {
    chunks.push(chunk);
  });
  return { bytes: new Uint8Array(Buffer.concat(chunks)), calls: chunks.length };
}

const FILES = [
  file('program.md', '# Seven samurai\n'),
  file('manifest.json', '{}'),
  file('payload/a', 'lower case last'),
  file('payload/empty', ''),
  file('payload/B', 'upper case first'),
];
const SORTED = ['manifest.json', 'payload/B', 'payload/a', 'payload/empty', 'program.md'];

describe('the writer', () => {
  test('writes the bytes of the format, in one call when they are few', async () => {
    const byPath = new Map(FILES.map(({ path, content }) => [path, content]));
    const entries = SORTED.map((name) => {
      const content = byPath.get(name);
      return { name, content: content instanceof Uint8Array ? content : '' };
    });
    const { bytes, calls } = await written(FILES);
    expect(bytes).toEqual(rawZip(entries));
    expect([calls, zipSize(FILES)]).toEqual([1, bytes.length]);
  });

  test('writes the same whatever the order it is given', async () => {
    expect((await written(FILES.toReversed())).bytes).toEqual((await written(FILES)).bytes);
  });

  test('is read by zip.js with every check that it has', async () => {
    const files = [
      ...FILES,
      file('payload/é — ü.txt', 'beyond ASCII'),
      file('payload/large', new Uint8Array(3_000_000)),
    ];
    const { bytes } = await written(files);
    const entries = await new ZipReader(new Uint8ArrayReader(bytes), {
      strictness: 'strict',
      checkCrc32: true,
      checkOverlappingEntry: true,
      useWebWorkers: false,
    }).getEntries();
    expect(entries.map(({ filename }) => filename)).toEqual([...files.map(({ path }) => path)].sort());
    for (const entry of entries) {
      if (entry.directory) throw new Error('a folder');
      const content = files.find(({ path }) => path === entry.filename)?.content;
      const read = await entry.getData(new Uint8ArrayWriter());
      expect(Buffer.compare(read, content instanceof Uint8Array ? content : Buffer.from('?'))).toBe(0);
      expect(entry).toMatchObject({
        compressionMethod: 0,
        encrypted: false,
        versionMadeBy: 0x300 | entry.version,
      });
      expect(entry).toMatchObject({ unixMode: 0o100644, rawLastModDate: 0x00210000, comment: '' });
      const utf8 = entry.filename.includes('é');
      expect([entry.rawBitFlag, entry.version]).toEqual(utf8 ? [0x0800, 20] : [0, 10]);
    }
  });

  test('streams what is not in memory, and what is large', async () => {
    const large = Uint8Array.from({ length: 2_500_000 }, (_, place) => place % 241);
    const source = {
      size: large.length,
      read: async (offset: number, length: number) => large.slice(offset, offset + length),
    };
    const files = [...FILES, { ...file('payload/large', large), content: source }];
    const { bytes, calls } = await written(files);
    expect([bytes.length, calls]).toEqual([zipSize(files), 5]);
    const container = await open(bytes);
    expect(container.warnings).toEqual([]);
    expect(
      Buffer.compare(await readEntry(components, container, entryOf(container, 'payload/large')), large),
    ).toBe(0);
  });

  test('waits for its sink', async () => {
    let busy = false;
    const files = Array.from({ length: 300 }, (_, place) => file(String(place), 'x'.repeat(place * 100)));
    await writeZip(components, files, async () => {
      expect(busy).toBe(false);
      busy = true;
      await Promise.resolve();
      busy = false;
    });
    const failing = writeZip(components, files, () => Promise.reject(new Error('the disk is full')));
    await expect(failing).rejects.toThrow('the disk is full');
  });

  test('stops when it is told to', async () => {
    const stopped = AbortSignal.abort(new Error('enough'));
    await expect(writeZip(components, FILES, () => undefined, stopped)).rejects.toThrow('enough');
  });

  test('notices a content that is not what was announced', async () => {
    const honest = file('a', 'alpha');
    const others = [
      { content: new TextEncoder().encode('alphA') },
      { content: new Uint8Array(4) },
      { size: 4 },
    ];
    for (const other of others) {
      const writing = writeZip(components, [{ ...honest, ...other }], () => undefined);
      await expect(writing).rejects.toMatchObject({
        code: 'conflict',
        message: 'a changed while the archive was being made.',
      });
    }
  });

  test.each([
    '',
    '/a',
    '../a',
    'a/../b',
    'a//b',
    './a',
    'a/',
    'C:a',
    'a\\b',
    'a\0',
    'a\n',
    '\ud800',
    'x'.repeat(1_025),
  ])('refuses the path %j', async (path) => {
    expect(() => zipSize([file(path, 'x')])).toThrow(expect.objectContaining({ code: 'invalid_request' }));
    await expect(written([file(path, 'x')])).rejects.toMatchObject({ code: 'invalid_request' });
  });

  test('refuses one path twice', async () => {
    await expect(written([file('a', '1'), file('b', '2'), file('a', '3')])).rejects.toMatchObject({
      code: 'invalid_request',
      message: 'a cannot be in an archive twice.',
    });
  });

  test('refuses what would take ZIP64', () => {
    const content = new Uint8Array();
    const sized = (path: string, size: number): ZipFile => ({ path, size, crc32: 0, content });
    const headers = 30 + 1 + 46 + 1 + 22;
    expect(zipSize([sized('a', 0xfffffffe - headers)])).toBe(0xfffffffe);
    expect(() => zipSize([sized('a', 0xffffffff - headers)])).toThrow(
      expect.objectContaining({ code: 'too_large' }),
    );
    const many = Array.from({ length: 65_535 }, (_, place) => sized(String(place), 0));
    expect(() => zipSize(many)).toThrow(expect.objectContaining({ code: 'too_large' }));
    expect(zipSize(many.slice(1))).toBeGreaterThan(65_534 * 76);
  });
});
