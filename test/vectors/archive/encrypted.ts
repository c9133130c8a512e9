import { fails, OK, type Vector, type VectorCollection } from './collection.ts';
import { PATHS } from './format.ts';
import { type EncryptedRecipe, EVENTS, edit, encrypted, event, zip } from './recipe.ts';

/** The outer archive is right in all of these but for what is said; the key of the recipient is used. */
const opened = (name: string, description: string, failing: string[], recipe: EncryptedRecipe): Vector => ({
  name,
  description,
  archive: encrypted(name, recipe).then((files) => zip(files)),
  key: 'recipient',
  expected: fails(failing),
});

export function encryptedOnes(): VectorCollection {
  return {
    name: 'encrypted',
    description:
      'Encrypted archives whose outside holds and whose inside does not, and keys that open nothing.',
    vectors: [
      {
        name: 'third-key',
        description: 'The key of someone for whom there is no bundle.',
        archive: encrypted('third-key').then((files) => zip(files)),
        key: 'third',
        expected: { refused: 'not_a_recipient' },
      },
      ...blobs(),
      ...inside(),
    ],
  };
}

function blobs(): Vector[] {
  const resealed: EncryptedRecipe = {
    encrypted: (blob) => {
      blob[100] = (blob[100] ?? 0) ^ 1;
    },
  };
  const bundle: EncryptedRecipe = {
    encrypted: (_, metadata) => {
      const [first] = Array.isArray(metadata.key_bundles) ? metadata.key_bundles : [];
      if (typeof first !== 'object' || first === null || Array.isArray(first)) throw new Error('No bundle.');
      first.wrapped_key = String(first.wrapped_key).replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
    },
  };
  return [
    {
      name: 'blob-changed',
      description: 'A byte of content.enc was changed after sealing: seen without a key.',
      archive: encrypted('blob-changed', {
        after: (files) => {
          const blob = files.get(PATHS.blob);
          if (blob) blob[100] = (blob[100] ?? 0) ^ 1;
        },
      }).then((files) => zip(files)),
      expected: fails(['encrypted_blob']),
    },
    {
      name: 'blob-changed-and-resealed-from-outside',
      description: 'The blob was changed before it was signed: nothing to be seen without a key.',
      archive: encrypted('blob-changed-and-resealed', resealed).then((files) => zip(files)),
      expected: OK,
    },
    opened(
      'blob-changed-and-resealed',
      'The same with the key: the tag does not fit.',
      ['encrypted_blob'],
      resealed,
    ),
    opened(
      'bundle-changed-and-resealed',
      'The wrapped key in the bundle was changed before sealing: its tag does not fit.',
      ['encrypted_blob'],
      bundle,
    ),
    {
      name: 'metadata-not-json',
      description: 'decryption.json is a text; seen without a key.',
      archive: encrypted('metadata-not-json', { files: { [PATHS.decryption]: 'none' } }).then((files) =>
        zip(files),
      ),
      expected: fails(['layout']),
    },
    {
      name: 'metadata-in-a-skill',
      description: 'metadata_path leads to what could be a skill.',
      archive: encrypted('metadata-in-a-skill', {
        files: { 'skills/x/skill.json': '{}' },
        manifest: (manifest) => {
          manifest.encryption = { cipher: 'ChaCha20-Poly1305', metadata_path: 'skills/x/skill.json' };
        },
      }).then((files) => zip(files)),
      expected: fails(['layout']),
    },
    opened(
      'metadata-of-another-cipher',
      'decryption.json names a cipher that is not known.',
      ['encrypted_blob'],
      {
        encrypted: (_, metadata) => {
          metadata.cipher = 'AES-256-GCM';
        },
      },
    ),
  ];
}

function inside(): Vector[] {
  const other = { events: [event('human:alice', 'decision', 'asked', { summary: 'Something else.' })] };
  return [
    opened(
      'inner-archive-of-another',
      'A whole other archive, valid by itself, inside a right outer one.',
      ['identity', 'chain'],
      { inner: other, claimed: {} },
    ),
    opened(
      'inner-chain-went-on',
      'The inner archive is the same capsule with one event more than the outer envelope knows.',
      ['chain'],
      {
        inner: { events: [...EVENTS, event('human:alice', 'decision', 'changed-my-mind', {})] },
        claimed: {},
      },
    ),
    opened('inner-program-changed', 'A file of the inner archive was changed.', ['content_index'], {
      inner: { after: (files) => edit(files, PATHS.program, (text) => text.replace('two', 'ten')) },
    }),
    opened('inner-signature-changed', "The inner archive's envelope was changed.", ['envelope'], {
      inner: {
        signed: (envelope) => {
          envelope.signed_at = '2026-05-22T12:00:00Z';
        },
      },
    }),
    opened('inner-event-changed', 'An event of the inner archive was changed.', ['content_index', 'chain'], {
      inner: { after: (files) => edit(files, PATHS.chain, (text) => text.replace('cheaper', 'dearer')) },
    }),
    opened('inner-not-a-zip', 'What was encrypted is a text.', ['layout'], {
      content: new TextEncoder().encode('Nothing of what the outside promises.'),
    }),
    opened('inner-without-program', 'The inner archive has no program.', ['layout'], {
      inner: { files: { [PATHS.program]: null } },
    }),
  ];
}
