import { fails, refused, type Vector, type VectorCollection } from './collection.ts';
import { PATHS } from './format.ts';
import { edit, encrypted, type Files, plain, type Recipe, zip } from './recipe.ts';

const make = async (recipe: Recipe) => zip(await plain(recipe));
const edited = (path: string, change: (text: string) => string): Promise<Uint8Array> =>
  make({ after: (files) => edit(files, path, change) });
const put = (path: string, content: string | Uint8Array): Promise<Uint8Array> =>
  make({ after: (files: Files) => void files.set(path, Buffer.from(content)) });
/** A chain whose second line is changed, indexed and anchored as it then is. */
const line2 = (change: (line: string) => string | Uint8Array) =>
  make({
    lines: (text) => {
      const [first = '', line = '', ...rest] = text.split('\n');
      return Buffer.concat([
        Buffer.from(`${first}\n`),
        Buffer.from(change(line)),
        Buffer.from(`\n${rest.join('\n')}`),
      ]);
    },
  });

const latin1 = Buffer.from([0x22, 0xe9, 0x22]);
const upper = (name: string) => (text: string) =>
  text.replace(
    new RegExp(`("${name}": ?")([0-9a-f]+)`),
    (_, start: string, hex: string) => start + hex.toUpperCase(),
  );
const twice = (member: string) => (text: string) => text.replace('{', `{${member},`);

type Row = [name: string, reason: string, archive: Promise<Uint8Array>, description: string];

export function documents(): VectorCollection {
  return {
    name: 'documents',
    description:
      'Documents that are not UTF-8, not JSON, not of their shape, or of rules this version does not know.',
    vectors: [...manifests(), ...envelopes(), ...lines(), ...texts(), ...versions(), ...skills()],
  };
}

function manifests(): Vector[] {
  const nested = `{"x":${'['.repeat(200)}${']'.repeat(200)},`;
  const rows: Row[] = [
    ['manifest-not-utf8', 'invalid_utf8', put(PATHS.manifest, latin1), 'A byte that is no UTF-8.'],
    ['manifest-not-json', 'invalid_json', put(PATHS.manifest, '{"format":'), 'JSON that breaks off.'],
    ['manifest-not-an-object', 'invalid_shape', put(PATHS.manifest, '[]'), 'An array.'],
    ['manifest-name-twice', 'invalid_json', edited(PATHS.manifest, twice('"id":"00"')), 'The name id twice.'],
    [
      'manifest-name-twice-escaped',
      'invalid_json',
      edited(PATHS.manifest, twice('"\\u0069d":"00"')),
      'The name id twice, once escaped.',
    ],
    [
      'manifest-prototype-name',
      'invalid_json',
      edited(PATHS.manifest, twice('"__proto__":{}')),
      'The name __proto__.',
    ],
    [
      'manifest-lone-surrogate',
      'invalid_json',
      edited(PATHS.manifest, twice('"x":"\\ud800"')),
      'Half a character.',
    ],
    [
      'manifest-infinite-number',
      'invalid_json',
      edited(PATHS.manifest, twice('"x":1e999')),
      'A number beyond a double.',
    ],
    [
      'manifest-nested-deeply',
      'invalid_json',
      edited(PATHS.manifest, (text) => text.replace('{', nested)),
      '200 arrays inside each other.',
    ],
    [
      'manifest-without-index',
      'invalid_shape',
      edited(PATHS.manifest, (text) => text.replace('"content_index"', '"content_indices"')),
      'No content_index.',
    ],
    [
      'uppercase-manifest-id',
      'invalid_shape',
      edited(PATHS.manifest, upper('id')),
      'An id in uppercase hex.',
    ],
    [
      'uppercase-originator-key',
      'invalid_shape',
      edited(PATHS.manifest, upper('public_key')),
      'A key in uppercase hex.',
    ],
    [
      'uppercase-file-hash',
      'invalid_shape',
      edited(PATHS.manifest, upper('sha256')),
      'A file hash in uppercase hex.',
    ],
  ];
  return rows.map(toVector);
}

function envelopes(): Vector[] {
  const rows: Row[] = [
    ['envelope-not-utf8', 'invalid_utf8', put(PATHS.envelope, latin1), 'A byte that is no UTF-8.'],
    ['envelope-not-json', 'invalid_json', put(PATHS.envelope, 'signed, Alice'), 'A text.'],
    [
      'envelope-name-twice',
      'invalid_json',
      edited(PATHS.envelope, twice('"cipher":"none"')),
      'The name cipher twice.',
    ],
    ['envelope-without-signers', 'invalid_shape', make({ signers: [] }), 'Nobody signed.'],
  ];
  return rows.map(toVector);
}

function toVector([name, reason, archive, description]: Row): Vector {
  return { name, description, archive, expected: refused(reason) };
}

/** All indexed and signed as they are: only the chain fails. */
function lines(): Vector[] {
  const chain = fails(['chain']);
  return [
    {
      name: 'event-not-json',
      description: 'A line that breaks off.',
      archive: line2((line) => line.slice(0, -1)),
      expected: chain,
    },
    {
      name: 'event-not-an-object',
      description: 'A line that is a number.',
      archive: line2(() => '2'),
      expected: chain,
    },
    {
      name: 'event-name-twice',
      description: 'The name actor twice in one event.',
      archive: line2(twice('"actor":"human:alice"')),
      expected: chain,
    },
    {
      name: 'event-behind-a-byte-order-mark',
      description: 'The chain begins with a byte order mark, which is no JSON.',
      archive: make({ lines: (text) => `\ufeff${text}` }),
      expected: chain,
    },
    {
      name: 'event-not-utf8',
      description: 'A chain with a byte that is no UTF-8.',
      archive: line2(() => latin1),
      expected: chain,
    },
    {
      name: 'empty-line',
      description: 'An empty line between events.',
      archive: line2((line) => `\n${line}`),
      expected: chain,
    },
    {
      name: 'uppercase-event-hash',
      description: 'The hash of an event in uppercase hex.',
      archive: line2(upper('hash')),
      expected: chain,
    },
    {
      name: 'uppercase-previous-hash',
      description: 'The link of an event in uppercase hex.',
      archive: line2(upper('prev_hash')),
      expected: chain,
    },
  ];
}

/** Texts that are not UTF-8, indexed and signed as they are. */
function texts(): Vector[] {
  const paths = { program: PATHS.program, agents: PATHS.agents, 'skill-instructions': 'skills/run/SKILL.md' };
  const notUtf8 = fails(['layout'], { reason: 'invalid_utf8' });
  return [
    ...Object.entries({ ...paths, 'skill-metadata': 'skills/run/skill.json' }).map(([name, path]) => ({
      name: `${name}-not-utf8`,
      description: `A byte in ${path} that is no UTF-8.`,
      archive: make({ files: { [path]: latin1 } }),
      expected: notUtf8,
    })),
    {
      name: 'program-breaks-off-in-a-character',
      description: 'The last character of program.md lacks its last byte.',
      archive: make({ files: { [PATHS.program]: Buffer.from('# Caf\u00e9').subarray(0, -1) } }),
      expected: notUtf8,
    },
  ];
}

function versions(): Vector[] {
  const unsupported = fails(['layout'], { reason: 'unsupported_version' });
  const format = (version: string) =>
    make({
      manifest: (manifest) => {
        manifest.format = {
          canonicalization: 'JCS-RFC8785',
          container: 'zip',
          hash_algorithm: 'SHA-256',
          version,
        };
      },
    });
  return [
    {
      name: 'newer-version',
      description: 'format.version 0.7.',
      archive: format('0.7'),
      expected: unsupported,
    },
    {
      name: 'older-version',
      description: 'format.version 0.5.',
      archive: format('0.5'),
      expected: unsupported,
    },
    {
      name: 'newer-envelope',
      description: 'envelope.version 0.7 beside format.version 0.6.',
      archive: make({
        envelope: (envelope) => {
          envelope.version = '0.7';
        },
      }),
      expected: unsupported,
    },
    {
      name: 'unknown-cipher',
      description:
        'An encrypted archive whose cipher is not known: fails closed, though every hash and signature is right.',
      archive: encrypted('unknown-cipher', {
        manifest: (manifest) => {
          manifest.encryption = { cipher: 'AES-256-GCM', metadata_path: PATHS.decryption };
        },
        envelope: (envelope) => {
          envelope.cipher = 'AES-256-GCM';
        },
      }).then((files) => zip(files)),
      expected: fails(['envelope']),
    },
  ];
}

/** Skills are instructions, never programs. */
function skills(): Vector[] {
  return ['runtime', 'entrypoint', 'command', 'tool_id'].map((field) => ({
    name: `skill-with-${field.replace('_', '-')}`,
    description: `A skill whose metadata has the field ${field}.`,
    archive: make({ files: { 'skills/run/skill.json': JSON.stringify({ id: 'run', [field]: 'sh' }) } }),
    expected: fails(['layout']),
  }));
}
