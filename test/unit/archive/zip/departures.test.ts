import { describe, expect, test } from 'vitest';
import { readEntry } from '../../../../src/archive/zip/content.ts';
import { extraField, type RawEntry, type RawZipOptions, rawZip } from '../../../support/raw-zip.ts';
import { components, entryOf, open } from './opening.ts';

const A: RawEntry = { name: 'a.txt', content: 'alpha' };
const B: RawEntry = { name: 'b.txt', content: 'beta' };

const CASES: [string, string, RawEntry[], RawZipOptions?][] = [
  ['compression', 'compressed, where STORED is the rule: a.txt', [{ ...A, deflate: true }, B]],
  ['a time', 'a timestamp other than 1980-01-01T00:00: a.txt', [{ ...A, time: 1 }, B]],
  [
    'a date',
    'a timestamp other than 1980-01-01T00:00: a.txt and 1 more',
    [
      { ...A, date: 0x5821 },
      { ...B, date: 0 },
    ],
  ],
  ['order', 'not sorted by path: a.txt', [B, A]],
  ['order of the data', 'data not in the order of the directory: b.txt', [B, A], { directoryOrder: [1, 0] }],
  ['a data descriptor', 'size and checksum behind the data: a.txt', [{ ...A, descriptor: true }, B]],
  ['a folder', 'a folder of its own, which is ignored: c/', [A, B, { name: 'c/', mode: 0o040755 }]],
  [
    'a folder by its name alone',
    'a folder of its own, which is ignored: c/',
    [A, B, { name: 'c/', mode: 0 }],
  ],
  ['a comment of the archive', 'the archive has a comment', [A, B], { comment: 'made by hand' }],
  ['a comment of an entry', 'a comment: b.txt', [A, { ...B, comment: 'beta' }]],
  ['an extra field', 'extra fields: a.txt', [{ ...A, extra: extraField(0x5455, new Uint8Array(5)) }, B]],
  [
    'an extra field in the local header',
    'extra fields: a.txt',
    [{ ...A, local: { extra: extraField(0x5455, new Uint8Array(5)) } }, B],
  ],
  ['bytes in front', '9 bytes of the archive belong to no entry', [A, B], { prefix: new Uint8Array(9) }],
  [
    'bytes between entries',
    '3 bytes of the archive belong to no entry',
    [A, { ...B, before: new Uint8Array(3) }],
  ],
  [
    'bytes in front of the directory',
    '2 bytes of the archive belong to no entry',
    [A, B],
    { beforeDirectory: new Uint8Array(2) },
  ],
  [
    'an entry without a central header',
    '36 bytes of the archive belong to no entry',
    [A, { ...A, name: 'c', noCentral: true }, B],
  ],
];
const NAMES: [string, RawEntry[], string][] = [
  [
    'case',
    [{ name: 'A.TXT' }, A, B],
    'names that collide when extracted: "A.TXT" and "a.txt" differ only in case',
  ],
  [
    'Unicode form',
    [A, B, { name: 'e\u0301', flags: 0x0800 }, { name: 'é', flags: 0x0800 }],
    'names that collide when extracted: "e\u0301" and "é" differ only in Unicode form',
  ],
  [
    'file and folder',
    [A, { name: 'a.txt/b' }, B],
    'names that collide when extracted: "a.txt" is a file and a folder at once, for "a.txt/b"',
  ],
  [
    'file and folder in another case',
    [{ name: 'A.txt/b' }, A, B],
    'names that collide when extracted: "a.txt" and "A.txt" differ only in case',
  ],
  [
    'file and empty folder',
    [A, { name: 'a.txt/', mode: 0 }, B],
    'names that collide when extracted: "a.txt" is a file and a folder at once, for "a.txt/"',
  ],
  [
    'folders, by case, and more',
    [{ name: 'C/1' }, A, B, { name: 'b.TXT' }, { name: 'c/2' }],
    'names that collide when extracted: "b.txt" and "b.TXT" differ only in case and 1 more',
  ],
  ['a device', [A, { name: 'aux.txt' }, B], 'a name that Windows cannot have: aux.txt'],
];

describe('what does no harm is read, and told:', () => {
  test('nothing, of an archive as a writer makes it', async () => {
    const container = await open(rawZip([A, B, { name: 'é', flags: 0x0800 }]));
    expect(container.warnings).toEqual([]);
    expect([...container.entries.keys()]).toEqual(['a.txt', 'b.txt', 'é']);
    expect(container.entries.get('b.txt')).toEqual({
      path: 'b.txt',
      size: 4,
      dataOffset: 75,
      compressedSize: 4,
      crc32: components.crypto.crc32(new TextEncoder().encode('beta')),
      compressed: false,
    });
  });

  test.each(CASES)('%s', async (_what, warning, entries, options) => {
    const container = await open(rawZip(entries, options));
    expect(container.warnings).toEqual([warning]);
    const texts = ['a.txt', 'b.txt'].map((path) =>
      readEntry(components, container, entryOf(container, path)),
    );
    expect((await Promise.all(texts)).map((text) => new TextDecoder().decode(text))).toEqual([
      'alpha',
      'beta',
    ]);
    expect([...container.entries.keys()].sort()).toEqual(['a.txt', 'b.txt']);
  });

  test.each(NAMES)('names that not every system has: %s', async (_what, entries, warning) => {
    const { warnings } = await open(rawZip(entries));
    expect(warnings).toContain(warning);
  });

  test('no entries at all', async () => {
    expect((await open(rawZip([]))).entries.size).toBe(0);
  });

  test('an archive within an archive is nothing but content', async () => {
    const inner = rawZip([A, B], { comment: 'inner' });
    const container = await open(rawZip([{ name: 'payload/inner.capsule', content: inner }]));
    expect(container.warnings).toEqual([]);
    expect(await readEntry(components, container, entryOf(container, 'payload/inner.capsule'))).toEqual(
      inner,
    );
  });

  test('names that are properties of every object', async () => {
    const container = await open(rawZip([{ name: '__proto__', content: 'p' }, { name: 'constructor' }]));
    expect([...container.entries.keys()]).toEqual(['__proto__', 'constructor']);
    expect(container.entries.get('toString')).toBeUndefined();
  });
});
