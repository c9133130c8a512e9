import type { RawEntry, RawZipOptions } from '../../support/raw-zip.ts';
import { fails, refused, type Vector, type VectorCollection } from './collection.ts';
import { PATHS } from './format.ts';
import { encrypted, type Files, plain, zip } from './recipe.ts';

const without = (path: string) => ({ after: (files: Files) => void files.delete(path) });
const missing = (...areas: string[]) => fails(areas, { reason: 'missing_required_file' });

/** A sound archive in a container that is changed. */
const container = async (change: (entries: RawEntry[]) => RawEntry[], options?: RawZipOptions) =>
  zip(await plain(), change, options);
/** The same with one entry more. */
const added = (entry: RawEntry) => container((entries) => [...entries, entry]);
/** The same with other fields in the headers of one entry. */
const changed = (path: string, fields: Partial<RawEntry>) =>
  container((entries) => entries.map((entry) => (entry.name === path ? { ...entry, ...fields } : entry)));
const bytes = async (change: (archive: Buffer) => Uint8Array) => change(Buffer.from(zip(await plain())));

const END_RECORD_BYTES = 22;

export function layout(): VectorCollection {
  return {
    name: 'layout',
    description: 'Containers that a reader refuses, and files that have to be there.',
    vectors: [...missingFiles(), ...names(), ...limits(), ...structure()],
  };
}

function missingFiles(): Vector[] {
  return [
    {
      name: 'missing-manifest',
      description: 'No manifest.json.',
      archive: plain(without(PATHS.manifest)).then((files) => zip(files)),
      expected: refused('missing_required_file'),
    },
    {
      name: 'missing-envelope',
      description: 'No provenance/envelope.json.',
      archive: plain(without(PATHS.envelope)).then((files) => zip(files)),
      expected: refused('missing_required_file'),
    },
    {
      name: 'missing-program',
      description: 'No program.md, though the index lists it.',
      archive: plain(without(PATHS.program)).then((files) => zip(files)),
      expected: missing('layout', 'content_index'),
    },
    {
      name: 'never-a-program',
      description: 'Sealed without program.md: the index is right, and the file is required all the same.',
      archive: plain({ files: { [PATHS.program]: null } }).then((files) => zip(files)),
      expected: missing('layout'),
    },
    {
      name: 'missing-chain',
      description: 'No chain/events.jsonl, though the index lists it.',
      archive: plain(without(PATHS.chain)).then((files) => zip(files)),
      expected: missing('layout', 'content_index', 'chain'),
    },
    {
      name: 'missing-blob',
      description: 'An encrypted archive without content.enc.',
      archive: encrypted('missing-blob', without(PATHS.blob)).then((files) => zip(files)),
      expected: missing('layout', 'encrypted_blob'),
    },
    {
      name: 'missing-decryption-metadata',
      description:
        'An encrypted archive without skills/decryption/decryption.json, though the index lists it.',
      archive: encrypted('missing-decryption-metadata', without(PATHS.decryption)).then((files) =>
        zip(files),
      ),
      expected: missing('layout', 'content_index'),
    },
  ];
}

function names(): Vector[] {
  const unsafe: [string, string][] = [
    ['traversal', '../escape.txt'],
    ['traversal-inside', 'payload/../../escape.txt'],
    ['traversal-at-the-end', 'payload/..'],
    ['absolute-path', '/etc/escape.txt'],
    ['drive-letter', 'C:/escape.txt'],
    ['drive-letter-relative', 'c:escape.txt'],
    ['backslash', 'payload\\..\\escape.txt'],
    ['nul-in-path', 'payload/escape.txt\0.md'],
  ];
  return [
    ...unsafe.map(([name, path]) => ({
      name,
      description: `An entry named ${JSON.stringify(path)}.`,
      archive: added({ name: path, content: 'x' }),
      expected: refused('unsafe_path'),
    })),
    {
      name: 'name-not-utf8',
      description: 'An entry whose name is marked as UTF-8 and is not.',
      archive: added({ name: Buffer.from([0x70, 0xe9, 0x71]), content: 'x', flags: 0x0800 }),
      expected: refused('unsafe_path'),
    },
    {
      name: 'duplicate-entry',
      description: 'program.md twice: which one is read depends on the reader.',
      archive: added({ name: PATHS.program, content: 'Another program.\n' }),
      expected: refused('duplicate_entry'),
    },
    {
      name: 'duplicate-manifest',
      description: 'manifest.json twice, with the same bytes.',
      archive: container((entries) => [...entries, ...entries.filter(({ name }) => name === PATHS.manifest)]),
      expected: refused('duplicate_entry'),
    },
    {
      name: 'symlink',
      description: 'An entry whose Unix mode says symbolic link.',
      archive: added({ name: 'payload/link', content: '/etc/passwd', mode: 0o120777 }),
      expected: refused('symlink_entry'),
    },
  ];
}

function limits(): Vector[] {
  const bomb = new Uint8Array(200_000);
  return [
    {
      name: 'too-many-entries',
      description: 'Four entries where three are allowed.',
      archive: container((entries) => entries),
      limits: { max_entries: 3 },
      expected: refused('entry_count_limit'),
    },
    {
      name: 'too-many-bytes',
      description: 'More bytes than are allowed, by the central directory.',
      archive: container((entries) => entries),
      limits: { max_total_bytes: 1_000 },
      expected: refused('total_size_limit'),
    },
    {
      name: 'honest-bomb',
      description: 'A deflate entry that says how large it gets, which is too large.',
      archive: added({ name: 'payload/zeros.bin', content: bomb, deflate: true }),
      limits: { max_total_bytes: 100_000 },
      expected: refused('total_size_limit'),
    },
    {
      name: 'lying-bomb',
      description: 'A deflate entry that claims 100 bytes and gives 200,000.',
      archive: plain({ files: { 'payload/zeros.bin': bomb } }).then((files) =>
        zip(files, (entries) =>
          entries.map((entry) =>
            entry.name === 'payload/zeros.bin' ? { ...entry, deflate: true, size: 100 } : entry,
          ),
        ),
      ),
      limits: { max_total_bytes: 100_000 },
      expected: fails(['layout'], { reason: 'wrong_size' }),
    },
    {
      name: 'deflate-gives-less',
      description: 'A deflate entry that claims more bytes than it gives.',
      archive: changed(PATHS.program, { deflate: true, size: 5_000 }),
      expected: fails(['layout'], { reason: 'wrong_size' }),
    },
  ];
}

function structure(): Vector[] {
  return [
    { name: 'empty', description: 'No bytes.', archive: new Uint8Array(), expected: refused('not_a_zip') },
    {
      name: 'not-a-zip',
      description: 'A text.',
      archive: new TextEncoder().encode('This is not an archive, however long one looks at it.\n'),
      expected: refused('not_a_zip'),
    },
    {
      name: 'no-entries',
      description: 'A ZIP with nothing in it.',
      archive: zip(new Map()),
      expected: refused('missing_required_file'),
    },
    {
      name: 'cut-short',
      description: 'The first half of an archive.',
      archive: bytes((archive) => archive.subarray(0, archive.length / 2)),
      expected: refused('truncated'),
    },
    {
      name: 'cut-in-the-end-record',
      description: 'An archive without its last ten bytes.',
      archive: bytes((archive) => archive.subarray(0, -10)),
      expected: refused('truncated'),
    },
    {
      name: 'truncated-directory',
      description: 'The central directory has lost bytes, and the end record does not know.',
      archive: bytes((archive) =>
        Buffer.concat([archive.subarray(0, -END_RECORD_BYTES - 30), archive.subarray(-END_RECORD_BYTES)]),
      ),
      expected: refused('inconsistent_directory'),
    },
    {
      name: 'directory-says-fewer',
      description: 'The end record counts one entry fewer than the central directory has.',
      archive: container((entries) => entries, { end: { entries: 3 } }),
      expected: refused('inconsistent_directory'),
    },
    {
      name: 'directory-says-more',
      description: 'The end record counts one entry more than the central directory has.',
      archive: container((entries) => entries, { end: { entries: 5 } }),
      expected: refused('inconsistent_directory'),
    },
    {
      name: 'overlapping-entries',
      description: 'Two entries that share their data.',
      archive: container((entries) =>
        entries.flatMap((entry) =>
          entry.name === PATHS.program
            ? [entry, { ...entry, name: 'payload/same.md', noLocal: true, offset: programOffset(entries) }]
            : [entry],
        ),
      ),
      expected: refused('overlapping_entries'),
    },
    {
      name: 'wrong-crc',
      description: 'A CRC-32 that is not that of the bytes; their SHA-256 is right.',
      archive: changed(PATHS.program, { crc32: 0x12345678 }),
      expected: fails(['layout'], { reason: 'wrong_crc' }),
    },
    {
      name: 'local-name-differs',
      description: 'The local header calls an entry otherwise than the central directory.',
      archive: changed(PATHS.program, { local: { name: 'progran.md' } }),
      expected: refused('local_header_mismatch'),
    },
    {
      name: 'local-size-differs',
      description: 'The local header gives another size than the central directory.',
      archive: changed(PATHS.program, { local: { size: 5, compressedSize: 5 } }),
      expected: refused('local_header_mismatch'),
    },
    {
      name: 'local-method-differs',
      description: 'The local header says deflate, the central directory stored.',
      archive: changed(PATHS.program, { local: { method: 8 } }),
      expected: refused('local_header_mismatch'),
    },
    {
      name: 'two-end-records',
      description: "A whole other archive's directory and end record inside the comment of the first.",
      archive: bytes((archive) => {
        archive.writeUInt16LE(archive.length, archive.length - 2);
        return Buffer.concat([archive, archive]);
      }),
      expected: refused('inconsistent_directory'),
    },
    {
      name: 'bytes-behind-the-end',
      description: 'Bytes behind the end record that are no comment of it.',
      archive: container((entries) => entries, { suffix: new Uint8Array(16) }),
      expected: refused('inconsistent_directory'),
    },
    {
      name: 'folder-with-content',
      description: 'An entry that is a folder by its name and has content.',
      archive: added({ name: 'payload/folder/', content: 'x' }),
      expected: refused('inconsistent_directory'),
    },
    {
      name: 'encrypted-entry',
      description: 'An entry with the flag of ZIP encryption.',
      archive: changed(PATHS.program, { flags: 0x0001 }),
      expected: refused('encrypted_entry'),
    },
    {
      name: 'unknown-method',
      description: 'An entry of method 12, bzip2.',
      archive: changed(PATHS.program, { method: 12 }),
      expected: refused('unsupported_compression'),
    },
    {
      name: 'entry-beyond-the-file',
      description: 'A local header that would lie behind the end.',
      archive: changed(PATHS.program, { offset: 1_000_000 }),
      expected: refused('truncated'),
    },
  ];
}

/** Where the local header of program.md is, in an archive without extra fields. */
function programOffset(entries: readonly RawEntry[]): number {
  const before = entries.slice(
    0,
    entries.findIndex(({ name }) => name === PATHS.program),
  );
  return before.reduce((sum, { name, content = '' }) => sum + 30 + name.length + content.length, 0);
}
