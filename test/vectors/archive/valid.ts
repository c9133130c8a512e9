import { OK, onlyStrictFails, type VectorCollection } from './collection.ts';
import { PATHS } from './format.ts';
import { alice, bob, bobAsRecipient, recipient, second, signer } from './keys.ts';
import { EVENTS, encrypted, event, plain, type Recipe, zip } from './recipe.ts';

const make = async (recipe?: Recipe) => zip(await plain(recipe));

/** Everything an archive may hold. */
export const FULL: Recipe = {
  files: {
    'agents.md': '# Agents\n\n- ai:reviewer compares.\n',
    'payload/offers.json': '{"first":44,"second":42}\n',
    'payload/notes/empty.txt': '',
    'payload/Größe.txt': 'Zwölf Meter.\n',
    'skills/compare/SKILL.md': '# Compare\n\nCompare prices, then terms.\n',
    'skills/compare/skill.json': '{"id":"compare","name":"Compare"}\n',
    'skills/haggle/skill.json': '{"id":"haggle","name":"Haggle"}\n',
  },
  manifest: (manifest) => {
    manifest.skill_trust = { compare: 'signed', haggle: 'unsigned' };
  },
};

const backstop = event('system:host', 'observation', 'session_ended', {});

export function valid(): VectorCollection {
  const twoSigners = { signers: [signer(alice), signer(bob, 'reviewer')] };
  const vectors: VectorCollection['vectors'] = [
    {
      name: 'minimal',
      description: 'Program, one event, one signer.',
      archive: make({ events: EVENTS.slice(0, 1) }),
      expected: { ...OK, signers: [{ role: 'originator', valid: true, trusted: true }] },
    },
    {
      name: 'full',
      description:
        'Agents, skills of both tiers, payload with an empty file and a name beyond ASCII, three events.',
      archive: make(FULL),
      expected: OK,
    },
    {
      name: 'backstop',
      description:
        'The event that a writer adds where there is none: system:host is no participant, and may act.',
      archive: make({ events: [{ ...backstop, target: 'capsule' }] }),
      expected: OK,
    },
    {
      name: 'two-signers',
      description: 'Both signatures are valid; only the key that the caller listed is trusted.',
      archive: make(twoSigners),
      allowlist: ['bob'],
      expected: {
        ...OK,
        signers: [
          { role: 'originator', valid: true, trusted: false },
          { role: 'reviewer', valid: true, trusted: true },
        ],
      },
    },
    {
      name: 'nobody-trusted',
      description: 'Valid without an allowlist: mathematics, and trust in nobody.',
      archive: make(twoSigners),
      allowlist: [],
      expected: {
        ...OK,
        signers: [
          { role: 'originator', valid: true, trusted: false },
          { role: 'reviewer', valid: true, trusted: false },
        ],
      },
    },
    {
      name: 'one-key-two-roles',
      description: 'One key signs in two roles, each signature over its own domain.',
      archive: make({ signers: [signer(alice), signer(alice, 'approver')] }),
      expected: OK,
    },
    {
      name: 'advisory-members-absent',
      description:
        'created_at, labels, roles, skill_trust and encryption are not what holds an archive together.',
      archive: make({
        manifest: (manifest) => {
          delete manifest.created_at;
          delete manifest.skill_trust;
          delete manifest.encryption;
          manifest.originator = { public_key: alice.publicKey };
          manifest.participants = [{ actor_id: 'human:alice' }, { actor_id: 'ai:reviewer' }];
        },
      }),
      expected: { ok: true, failing: [] },
    },
    {
      name: 'unknown-event-and-envelope-members',
      description: 'Members that this version does not know are kept, hashed and signed.',
      archive: make({
        events: EVENTS.map((draft) => ({ ...draft, 'x-acme-ticket': 'T-1' })),
        envelope: (envelope) => {
          envelope['x-acme-attestation'] = { level: 2 };
        },
      }),
      expected: { ok: true, failing: [] },
    },
    ...departures(),
    ...encryptedOnes(),
  ];
  return {
    name: 'valid',
    description:
      'Archives that verify, and what strict says of those that depart from the text of the format.',
    vectors,
  };
}

/** Valid, and not as the text of the format wants it. */
function departures(): VectorCollection['vectors'] {
  return [
    {
      name: 'unknown-manifest-member',
      description: 'Covered by the manifest hash, so it verifies; strict knows every member or refuses.',
      archive: make({
        manifest: (manifest) => {
          manifest['x-acme-policy'] = { retention: '10y' };
        },
      }),
      expected: onlyStrictFails('layout'),
    },
    {
      name: 'deflate-entry',
      description: 'Readable and reported: STORED is the rule.',
      archive: plain().then((files) =>
        zip(files, (entries) =>
          entries.map((entry) => ({ ...entry, deflate: entry.name === PATHS.program })),
        ),
      ),
      expected: onlyStrictFails('layout'),
    },
    {
      name: 'unsorted-entries',
      description: 'Entries in another order than that of their paths.',
      archive: plain().then((files) => zip(files, (entries) => entries.toReversed())),
      expected: onlyStrictFails('layout'),
    },
    {
      name: 'other-timestamps',
      description: 'Entries that are not of 1980-01-01T00:00:00Z.',
      archive: plain().then((files) =>
        zip(files, (entries) => entries.map((entry) => ({ ...entry, date: 0x5cb5, time: 0x6000 }))),
      ),
      expected: onlyStrictFails('layout'),
    },
    {
      name: 'archive-comment',
      description: 'A comment at the end of the ZIP, which nothing covers.',
      archive: plain().then((files) => zip(files, undefined, { comment: 'Made by hand.' })),
      expected: onlyStrictFails('layout'),
    },
    {
      name: 'bytes-between-entries',
      description: 'Bytes that belong to no entry.',
      archive: plain().then((files) => zip(files, undefined, { beforeDirectory: new Uint8Array(16) })),
      expected: onlyStrictFails('layout'),
    },
    {
      name: 'data-descriptors',
      description: 'Sizes and checksums behind the data, as a writer has to that cannot go back.',
      archive: plain().then((files) =>
        zip(files, (entries) => entries.map((entry) => ({ ...entry, descriptor: true }))),
      ),
      expected: onlyStrictFails('layout'),
    },
    {
      name: 'folder-entries',
      description: 'Folders with entries of their own, as common tools write them.',
      archive: plain().then((files) =>
        zip(files, (entries) => [{ name: 'chain/', mode: 0o040755 }, ...entries]),
      ),
      expected: onlyStrictFails('layout'),
    },
    {
      name: 'unsorted-index',
      description: 'An index in another order than that of its paths; its hash is over what is stored.',
      archive: make({ index: (files) => files.toReversed() }),
      expected: onlyStrictFails('content_index'),
    },
    {
      name: 'fractional-seconds',
      description: 'An event time in milliseconds.',
      archive: make({ events: EVENTS.map((draft) => ({ ...draft, timestamp: '2026-05-21T12:00:00.250Z' })) }),
      expected: onlyStrictFails('chain'),
    },
    {
      name: 'local-time',
      description: 'An event time that is not UTC.',
      archive: make({
        events: EVENTS.map((draft) => ({ ...draft, timestamp: '2026-05-21T12:00:00+02:00' })),
      }),
      expected: onlyStrictFails('chain'),
    },
    {
      name: 'actor-without-namespace',
      description: 'A participant, and an event of it, that is not human:, ai:, system: or capsule:.',
      archive: make({
        events: [...EVENTS, event('robot', 'observation', 'looked', {})],
        manifest: (manifest) => {
          manifest.participants = ['human:alice', 'ai:reviewer', 'robot'].map((actor_id) => ({ actor_id }));
        },
      }),
      expected: onlyStrictFails('layout', 'chain'),
    },
    {
      name: 'carriage-returns',
      description: 'Lines that are ended by a carriage return and a line feed.',
      archive: make({ lines: (text) => text.replaceAll('\n', '\r\n') }),
      expected: onlyStrictFails('chain'),
    },
    {
      name: 'last-line-not-ended',
      description: 'The last event has no line feed behind it.',
      archive: make({ lines: (text) => text.slice(0, -1) }),
      expected: onlyStrictFails('chain'),
    },
  ];
}

function encryptedOnes(): VectorCollection['vectors'] {
  const make = async (name: string, recipients?: string[]) =>
    zip(await encrypted(name, { inner: FULL, ...(recipients !== undefined && { recipients }) }));
  const l2 = { ...OK, decryptable_with: 'recipient' };
  return [
    {
      name: 'encrypted',
      description: 'L2 without a key, and L3 with it.',
      archive: make('encrypted'),
      expected: l2,
    },
    {
      name: 'encrypted-to-two',
      description: 'Two bundles; the second recipient opens it.',
      archive: make('encrypted-to-two', [recipient.publicKey, second.publicKey]),
      key: 'second',
      expected: OK,
    },
    {
      name: 'encrypted-to-a-signing-key',
      description: "To the X25519 key of an Ed25519 key's holder, and opened with the seed.",
      archive: make('encrypted-to-a-signing-key', [bobAsRecipient]),
      key: 'bob',
      expected: OK,
    },
    {
      name: 'encrypted-with-a-file-beside',
      description:
        'A program outside of the encrypted content, which is not the one inside: only strict refuses.',
      archive: encrypted('encrypted-with-a-file-beside', {
        files: { [PATHS.program]: '# Another program\n' },
      }).then((files) => zip(files)),
      expected: { ...onlyStrictFails('layout'), decryptable_with: 'recipient' },
    },
    {
      name: 'metadata-by-another-name',
      description: 'The metadata is where metadata_path says, in its folder, and not named decryption.json.',
      archive: renamedMetadata('skills/decryption/keys.json'),
      expected: { ...onlyStrictFails('layout'), decryptable_with: 'recipient' },
    },
  ];
}

async function renamedMetadata(path: string): Promise<Uint8Array> {
  const label = 'metadata-by-another-name';
  const metadata = (await encrypted(label)).get(PATHS.decryption) ?? null;
  const files = await encrypted(label, {
    files: { [PATHS.decryption]: null, [path]: metadata },
    manifest: (manifest) => {
      manifest.encryption = { cipher: 'ChaCha20-Poly1305', metadata_path: path };
    },
  });
  return zip(files);
}
