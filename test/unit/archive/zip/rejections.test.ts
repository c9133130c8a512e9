import { describe, expect, test } from 'vitest';
import type { ByteSource, LayoutReason } from '../../../../src/archive/types.ts';
import { openContainer } from '../../../../src/archive/zip/reader.ts';
import { extraField, type RawEntry, type RawZipOptions, rawZip } from '../../../support/raw-zip.ts';
import { components, expectRefusal, open } from './opening.ts';

const UTF8_FLAG = 0x0800;
const A: RawEntry = { name: 'a.txt', content: 'alpha' };
const B: RawEntry = { name: 'b.txt', content: 'beta' };
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const end = (commentLength: number): Uint8Array =>
  bytes(0x50, 0x4b, 5, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, commentLength, 0);

type Case = [string, LayoutReason, RawEntry[], RawZipOptions?];

const NAMES: [string, string | Uint8Array, number?][] = [
  ['is empty', ''],
  ['is absolute', '/etc/passwd'],
  ['is nothing but a slash', '/'],
  ['has a drive letter', 'C:/windows'],
  ['has a drive letter and no slash', 'c:x'],
  ['leads out', '../x'],
  ['leads out further in', 'payload/../../x'],
  ['leads out at its end', 'payload/..'],
  ['is a folder that leads out', 'payload/../'],
  ['has a dot for a segment', './x'],
  ['has a dot in the middle', 'a/./x'],
  ['has an empty segment', 'a//x'],
  ['ends in two slashes', 'a//'],
  ['has a NUL', 'a\0b'],
  ['has an escape character', 'a\x1b[2Jb'],
  ['has a line feed', 'a\nb'],
  ['has a delete character', 'a\x7fb'],
  ['has a control character beyond ASCII', 'a\u0085b', UTF8_FLAG],
  ['has a backslash', '..\\x'],
  ['is not UTF-8', bytes(0x61, 0xff, 0x62), UTF8_FLAG],
  ['is UTF-8 in too many bytes', bytes(0xc0, 0xae, 0xc0, 0xae, 0x2f, 0x78), UTF8_FLAG],
  ['is not ASCII and not marked', 'é.txt'],
  ['is in another code page', bytes(0x82, 0x2e, 0x74)],
  ['is longer than 1,024 bytes', 'x'.repeat(1_025)],
];

const HEADERS: Case[] = [
  ['a name that is there twice', 'duplicate_entry', [A, { ...A, content: 'other' }]],
  [
    'a folder that is there twice',
    'duplicate_entry',
    [
      { name: 'f/', mode: 0 },
      { name: 'f/', mode: 0 },
    ],
  ],
  ['a symlink', 'symlink_entry', [{ ...A, mode: 0o120777 }]],
  ['a symlink that says it is from MS-DOS', 'symlink_entry', [{ ...A, mode: 0o120777, host: 0 }]],
  ['a FIFO', 'symlink_entry', [{ ...A, mode: 0o010644 }]],
  ['a character device', 'symlink_entry', [{ ...A, mode: 0o020644 }]],
  ['a block device', 'symlink_entry', [{ ...A, mode: 0o060644 }]],
  ['a socket', 'symlink_entry', [{ ...A, mode: 0o140644 }]],
  ['an encrypted entry', 'encrypted_entry', [{ ...A, flags: 0x0001 }]],
  ['a strongly encrypted entry', 'encrypted_entry', [{ ...A, flags: 0x0041 }]],
  ['masked headers', 'encrypted_entry', [{ ...A, flags: 0x2000 }]],
  ['method 1, shrunk', 'unsupported_compression', [{ ...A, method: 1 }]],
  ['method 9, deflate64', 'unsupported_compression', [{ ...A, method: 9 }]],
  ['method 12, bzip2', 'unsupported_compression', [{ ...A, method: 12 }]],
  ['method 99, AES', 'unsupported_compression', [{ ...A, method: 99 }]],
  ['patch data', 'unsupported_compression', [{ ...A, flags: 0x0020 }]],
  ['a folder with content', 'inconsistent_directory', [{ name: 'f/', content: 'x', mode: 0o040755 }]],
  ['a folder by its mode', 'inconsistent_directory', [{ ...A, mode: 0o040755 }]],
  ['a folder by its MS-DOS attribute', 'inconsistent_directory', [{ ...A, externalAttributes: 0x10 }]],
  ['a file by its mode, a folder by its name', 'inconsistent_directory', [{ name: 'f/', mode: 0o100644 }]],
  ['a stored entry of two sizes', 'inconsistent_directory', [{ ...A, size: 4 }]],
  ['an entry on another disk', 'inconsistent_directory', [{ ...A, disk: 1 }]],
  ['a size that says ZIP64', 'inconsistent_directory', [{ ...A, deflate: true, size: 0xffffffff }]],
  ['an offset that says ZIP64', 'inconsistent_directory', [{ ...A, offset: 0xffffffff }]],
  [
    'a ZIP64 field',
    'inconsistent_directory',
    [{ ...A, extra: extraField(0x0001, bytes(5, 0, 0, 0, 0, 0, 0, 0)), local: { extra: bytes() } }],
  ],
  [
    'a ZIP64 field in the local header only',
    'inconsistent_directory',
    [{ ...A, local: { extra: extraField(0x0001, bytes(5, 0, 0, 0, 0, 0, 0, 0)) } }],
  ],
  [
    'a second name in an extra field',
    'inconsistent_directory',
    [{ ...A, extra: extraField(0x7075, bytes(1, 0, 0, 0, 0, 0x62)) }],
  ],
  ['an extra field that ends too early', 'inconsistent_directory', [{ ...A, extra: bytes(1, 2, 9, 0, 0) }]],
  ['half an extra field', 'inconsistent_directory', [{ ...A, local: { extra: bytes(1, 2) } }]],
  ['no local header', 'local_header_mismatch', [{ ...A, local: { signature: 0x04034b51 } }]],
  ['another name in the local header', 'local_header_mismatch', [{ ...A, local: { name: 'b.txt' } }]],
  ['a longer name in the local header', 'local_header_mismatch', [{ ...A, local: { name: 'a.txt2' } }]],
  ['another method in the local header', 'local_header_mismatch', [{ ...A, local: { method: 8 } }]],
  ['an encrypted local header', 'local_header_mismatch', [{ ...A, local: { flags: 1 } }]],
  ['a local name that is UTF-8', 'local_header_mismatch', [{ ...A, local: { flags: UTF8_FLAG } }]],
  ['a descriptor only one header knows of', 'local_header_mismatch', [{ ...A, local: { flags: 8 } }]],
  ['another size in the local header', 'local_header_mismatch', [{ ...A, local: { size: 4 } }]],
  ['another packed size there', 'local_header_mismatch', [{ ...A, local: { compressedSize: 4 } }]],
  ['another checksum there', 'local_header_mismatch', [{ ...A, local: { crc32: 1 } }]],
  ['a zero checksum there', 'local_header_mismatch', [{ ...A, local: { crc32: 0 } }]],
  [
    'another size there, before a descriptor',
    'local_header_mismatch',
    [{ ...A, descriptor: true, local: { size: 4 } }],
  ],
  ['two entries in one place', 'overlapping_entries', [A, { ...A, offset: 0, noLocal: true, name: 'b.txt' }]],
  [
    'an entry within the data of another',
    'overlapping_entries',
    [
      { name: 'a', content: rawZip([{ name: 'x', content: '1' }]) },
      { name: 'x', content: '1', offset: 31, noLocal: true },
    ],
  ],
  [
    'an entry that reaches into the directory',
    'overlapping_entries',
    [{ ...A, size: 50, compressedSize: 50 }],
  ],
  ['an entry that begins in the directory', 'overlapping_entries', [{ ...A, offset: 42 }]],
  ['an entry longer than the file', 'truncated', [{ ...A, size: 5_000, compressedSize: 5_000 }]],
  ['an entry that begins behind the file', 'truncated', [{ ...A, offset: 100_000 }]],
];

const DIRECTORIES: Case[] = [
  ['more entries than there are', 'inconsistent_directory', [A, B], { end: { entries: 3 } }],
  ['fewer entries than there are', 'inconsistent_directory', [A, B], { end: { entries: 1 } }],
  ['no entries where there are some', 'inconsistent_directory', [A], { end: { entries: 0 } }],
  ['two counts of entries', 'inconsistent_directory', [A], { end: { entriesOnDisk: 0, entries: 1 } }],
  ['a disk number', 'inconsistent_directory', [A], { end: { disk: 1 } }],
  ['a directory on another disk', 'inconsistent_directory', [A], { end: { directoryDisk: 1 } }],
  ['a directory that is too short', 'inconsistent_directory', [A], { end: { directorySize: 10 } }],
  ['a directory that begins too late', 'inconsistent_directory', [A], { end: { directoryOffset: 41 } }],
  ['bytes behind the directory', 'inconsistent_directory', [A], { afterDirectory: bytes(1, 2, 3) }],
  [
    'bytes within the directory',
    'inconsistent_directory',
    [A],
    { afterDirectory: bytes(1, 2, 3), end: { directorySize: 54 } },
  ],
  ['bytes behind the end', 'inconsistent_directory', [A], { suffix: bytes(1) }],
  ['a comment longer than the file', 'truncated', [A], { end: { commentLength: 9 } }],
  [
    'a comment shorter than it is',
    'inconsistent_directory',
    [A],
    { comment: 'abc', end: { commentLength: 2 } },
  ],
  ['an end hidden in the comment', 'inconsistent_directory', [A], { comment: end(0) }],
  ['half an end in the comment', 'inconsistent_directory', [A], { comment: end(0).subarray(0, 6) }],
  [
    'an end in an entry, with the rest for its comment',
    'inconsistent_directory',
    [{ name: 'a', content: end(47 + 22) }],
  ],
  [
    'a ZIP64 locator in an entry comment',
    'inconsistent_directory',
    [{ ...A, comment: bytes(0x50, 0x4b, 6, 7, ...new Array<number>(16).fill(0)) }],
  ],
  [
    'a header longer than any writer makes',
    'inconsistent_directory',
    [{ ...A, comment: new Uint8Array(5_000) }],
  ],
];

describe('an archive is refused for', () => {
  test.each(HEADERS)('%s', async (_what, reason, entries, options) => {
    await expectRefusal(open(rawZip(entries, options)), reason);
  });

  test.each(DIRECTORIES)('%s', async (_what, reason, entries, options) => {
    await expectRefusal(open(rawZip(entries, options)), reason);
  });

  test.each(NAMES)('a name that %s', async (_what, name, flags = 0) => {
    await expectRefusal(open(rawZip([A, { name, flags, mode: 0 }])), 'unsafe_path');
  });

  test('nothing in it, or nothing of a ZIP', async () => {
    await expectRefusal(open(bytes()), 'not_a_zip');
    await expectRefusal(open(bytes(1, 2, 3)), 'not_a_zip');
    await expectRefusal(open(new TextEncoder().encode('{"format": "json"}'.repeat(50))), 'not_a_zip');
    await expectRefusal(open(new Uint8Array(100_000).fill(6)), 'not_a_zip');
  });

  test('every length it may be cut to', async () => {
    const whole = rawZip([A, B]);
    for (let length = 4; length < whole.length; length += 1)
      await expectRefusal(open(whole.subarray(0, length)), 'truncated');
    await expectRefusal(open(rawZip([A], { comment: 'abc' }).subarray(0, -1)), 'truncated');
  });
});

describe('limits', () => {
  test('on entries are checked before the directory is read', async () => {
    const reads: number[] = [];
    const archive = rawZip([A, B], { end: { entries: 60_000 } });
    const source: ByteSource = {
      size: archive.length,
      read: (offset, length) => {
        reads.push(offset);
        return archive.subarray(offset, offset + length);
      },
    };
    await expectRefusal(openContainer(components, source), 'entry_count_limit');
    expect(reads).toEqual([0]);
    await expectRefusal(open(rawZip([A, B]), { maxEntries: 1 }), 'entry_count_limit');
    expect((await open(rawZip([A, B]), { maxEntries: 2 })).entries.size).toBe(2);
  });

  test('on bytes count what would come out', async () => {
    const archive = rawZip([A, { name: 'z', content: 'x'.repeat(10_000), deflate: true }]);
    await expectRefusal(open(archive, { maxTotalBytes: 10_004 }), 'total_size_limit');
    expect((await open(archive, { maxTotalBytes: 10_005 })).entries.size).toBe(2);
    const bomb = rawZip([{ name: 'bomb', content: 'x', deflate: true, size: 0xfffffffe }]);
    await expectRefusal(open(bomb), 'total_size_limit');
  });

  test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('of %d are a mistake', async (limit) => {
    await expect(open(rawZip([A]), { maxEntries: limit })).rejects.toThrow(TypeError);
    await expect(open(rawZip([A]), { maxTotalBytes: limit })).rejects.toThrow(TypeError);
  });
});
