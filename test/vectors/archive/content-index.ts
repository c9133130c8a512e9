import { fails, type Vector, type VectorCollection } from './collection.ts';
import { PATHS } from './format.ts';
import { edit, encrypted, type Files, plain, type Recipe, zip } from './recipe.ts';

const make = async (recipe: Recipe) => zip(await plain(recipe));
const OTHER_HASH = 'ab'.repeat(32);
const index = fails(['content_index']);

export function contentIndex(): VectorCollection {
  const vectors: Vector[] = [
    {
      name: 'payload-changed',
      description: 'A byte of a payload file was changed after sealing.',
      archive: make({
        files: { 'payload/offers.txt': 'second: 42\n' },
        after: (files) => edit(files, 'payload/offers.txt', (text) => text.replace('42', '43')),
      }),
      expected: index,
    },
    {
      name: 'program-changed',
      description: 'The program was changed after sealing.',
      archive: make({ after: (files) => edit(files, PATHS.program, (text) => text.replace('two', 'ten')) }),
      expected: index,
    },
    {
      name: 'payload-removed',
      description: 'A payload file that the index lists is gone.',
      archive: make({
        files: { 'payload/offers.txt': 'second: 42\n' },
        after: (files) => void files.delete('payload/offers.txt'),
      }),
      expected: index,
    },
    {
      name: 'file-added',
      description: 'A file was added after sealing.',
      archive: make({ after: add('payload/late.txt') }),
      expected: index,
    },
    {
      name: 'file-added-at-the-root',
      description: 'A file outside of every known folder was added after sealing.',
      archive: make({ after: add('README') }),
      expected: index,
    },
    {
      name: 'smuggled-blob',
      description:
        'content.enc in a plain archive, unaccounted for: only a signed cipher exempts it from the index.',
      archive: make({ after: add(PATHS.blob) }),
      expected: index,
    },
    {
      name: 'smuggled-blob-indexed',
      description: 'content.enc in a plain archive, in the index: nothing that is signed says what it is.',
      archive: make({ files: { [PATHS.blob]: 'not encrypted at all' } }),
      expected: fails(['encrypted_blob']),
    },
    {
      name: 'lists-a-missing-file',
      description: 'Sealed with an index that lists a file that never was.',
      archive: make({ index: (files) => [...files, { path: 'zzz.txt', sha256: OTHER_HASH }] }),
      expected: index,
    },
    {
      name: 'lists-a-file-twice',
      description: 'Sealed with an index that lists a file twice.',
      archive: make({
        index: (files) => files.flatMap((file) => (file.path === PATHS.program ? [file, file] : [file])),
      }),
      expected: index,
    },
    {
      name: 'lists-another-hash',
      description: 'Sealed with an index that has another hash for a file.',
      archive: make({
        index: (files) =>
          files.map((file) => (file.path === PATHS.program ? { ...file, sha256: OTHER_HASH } : file)),
      }),
      expected: index,
    },
    {
      name: 'leaves-a-file-out',
      description: 'Sealed with an index that leaves out the program.',
      archive: make({ index: (files) => files.filter(({ path }) => path !== PATHS.program) }),
      expected: index,
    },
    {
      name: 'lists-the-manifest',
      description: 'Sealed with an index that lists manifest.json, which cannot know its own hash.',
      archive: make({
        index: (files) =>
          [...files, { path: PATHS.manifest, sha256: OTHER_HASH }].sort((a, b) => (a.path < b.path ? -1 : 1)),
      }),
      expected: index,
    },
    {
      name: 'index-hash-wrong',
      description: 'index_hash is not that of the list; manifest and envelope agree on it.',
      archive: make({
        manifest: (manifest) => {
          const { content_index: stored } = manifest;
          if (typeof stored !== 'object' || stored === null || Array.isArray(stored))
            throw new Error('No index.');
          manifest.content_index = { ...stored, index_hash: OTHER_HASH };
        },
      }),
      expected: index,
    },
    {
      name: 'envelope-index-hash-wrong',
      description: "content_index_hash of the envelope is not the manifest's.",
      archive: make({
        envelope: (envelope) => {
          envelope.content_index_hash = OTHER_HASH;
        },
      }),
      expected: index,
    },
    {
      name: 'encrypted-lists-the-blob',
      description: 'An encrypted archive whose index lists content.enc, which the signed cipher exempts.',
      archive: encrypted('encrypted-lists-the-blob', {
        index: (files) => [{ path: PATHS.blob, sha256: OTHER_HASH }, ...files],
      }).then((files) => zip(files)),
      expected: index,
    },
    {
      name: 'encrypted-file-added',
      description: 'A file was added to an encrypted archive after sealing.',
      archive: encrypted('encrypted-file-added', { after: add('payload/late.txt') }).then((files) =>
        zip(files),
      ),
      expected: index,
    },
    {
      name: 'decryption-metadata-changed',
      description: 'A nonce was changed after sealing: metadata is indexed.',
      archive: encrypted('decryption-metadata-changed', {
        after: (files) =>
          edit(files, PATHS.decryption, (text) => text.replace(/("content_nonce": ")../, '$100')),
      }).then((files) => zip(files)),
      expected: index,
    },
  ];
  return { name: 'content-index', description: 'Files that the signed index does not account for.', vectors };
}

function add(path: string): (files: Files) => void {
  return (files) => {
    files.set(path, new TextEncoder().encode('smuggled'));
  };
}
