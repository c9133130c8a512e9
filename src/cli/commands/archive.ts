import { command, group } from '../command.ts';
import { arg } from '../option.ts';
import { JSON_ONLY } from '../options.ts';
import { APPEND, CHAIN, DECRYPT, EXTRACT, HYDRATE, KEYGEN, LOOK, SEAL, VERIFY } from './archive/options.ts';

/*
 * Every command for `.capsule` files (archive-v0.6 "Command line"). What they do is loaded when one of them runs: it takes a
 * while to load.
 */

const FILE = arg('<file>', 'the .capsule file');
const UNVERIFIED = 'This does not verify; for that: capsule verify FILE';

const verify = command({
  name: 'verify',
  about: 'verify a capsule’s signatures, hashes and chain',
  args: [FILE],
  options: VERIFY,
  notes:
    'Valid means that the mathematics holds; trusted, that you named the key.\nExit code: 0 passed, 1 failed, 2 unreadable.',
  examples: [
    'capsule verify report.capsule',
    'capsule verify report.capsule --allowlist 7c6df3ac… --require-trusted --json',
  ],
  run: async (...given) => (await import('./archive/verify.ts')).verify(...given),
});

const vectors = group(
  {
    name: 'vectors',
    about: 'verify cross-implementation parity vectors',
    examples: ['capsule vectors verify plain-basic.json'],
  },
  [
    command({
      name: 'verify',
      about: 'verify the capsule inside a vector file and compare every hash with the expected one',
      args: [arg('<file>', 'JSON with capsule_bytes_b64 and expected')],
      options: JSON_ONLY,
      examples: ['capsule vectors verify plain-basic.json'],
      run: async (...given) => (await import('./archive/vectors.ts')).verifyVectors(...given),
    }),
  ],
);

const inspect = command({
  name: 'inspect',
  about: 'one-screen overview of a capsule: header, counts, payload',
  args: [FILE],
  options: LOOK,
  notes: UNVERIFIED,
  examples: ['capsule inspect report.capsule'],
  run: async (...given) => (await import('./archive/inspect.ts')).inspect(...given),
});

const chain = command({
  name: 'chain',
  about: 'list chain events',
  args: [FILE],
  options: CHAIN,
  notes: UNVERIFIED,
  examples: ['capsule chain report.capsule --limit 10'],
  run: async (...given) => (await import('./archive/chain.ts')).chain(...given),
});

const part = (name: 'manifest' | 'envelope' | 'program' | 'agents', path: string) =>
  command({
    name,
    about: `print ${path}`,
    args: [FILE],
    options: LOOK,
    notes: UNVERIFIED,
    examples: [`capsule ${name} report.capsule`],
    run: async (...given) => (await import('./archive/documents.ts')).printPart(name, ...given),
  });

const extract = command({
  name: 'extract',
  about: 'unpack a capsule into a directory',
  args: [FILE, arg('<dir>', 'a directory that is empty or not there yet')],
  options: EXTRACT,
  notes: UNVERIFIED,
  examples: ['capsule extract report.capsule report'],
  run: async (...given) => (await import('./archive/extract.ts')).extract(...given),
});

const keygen = command({
  name: 'keygen',
  about: 'generate an Ed25519 key pair that signs, and receives what is encrypted to it',
  options: KEYGEN,
  examples: ['capsule keygen --out keys --label alice'],
  run: async (...given) => (await import('./archive/keygen.ts')).keygen(...given),
});

const seal = command({
  name: 'seal',
  about: 'seal a folder, or a finished workflow, into a signed capsule',
  args: [arg('[dir]', 'the folder')],
  options: SEAL,
  notes:
    'Of the folder, program.md, agents.md, skills/ID/skill.json and SKILL.md, events.json or events.jsonl and' +
    '\npayload/ have their places; every other file goes below payload/. Hidden files are left out;' +
    '\nkeys, tokens and identities of nodes are refused, whatever they are called.' +
    '\nWithout --signer the data directory’s identity signs as originator.',
  examples: [
    'capsule seal report -o report.capsule',
    'capsule seal report -o report.capsule --signer originator:keys/alice.private.hex --recipient keys/bob.recipient.hex',
  ],
  run: async (...given) => (await import('./archive/seal.ts')).seal(...given),
});

const append = command({
  name: 'append',
  about: 'append events to a capsule and seal it again, with its history kept',
  args: [FILE],
  options: APPEND,
  notes:
    'The capsule is verified first. An encrypted one stays encrypted to the same recipients, unless --recipient' +
    '\nnames others. Without --signer the data directory’s identity signs as originator.',
  examples: [
    `capsule append report.capsule -o report-2.capsule --event '{"actor":"human:bob","kind":"decision","action":"approved","target":"program.md"}'`,
  ],
  run: async (...given) => (await import('./archive/append.ts')).append(...given),
});

const decrypt = command({
  name: 'decrypt',
  about: 'decrypt a capsule into the plain one that it holds, verified',
  args: [arg('<file>', 'the encrypted .capsule file')],
  options: DECRYPT,
  examples: ['capsule decrypt report.capsule --key keys/bob.private.hex -o plain.capsule'],
  run: async (...given) => (await import('./archive/decrypt.ts')).decrypt(...given),
});

const hydrate = command({
  name: 'hydrate',
  about: 'hydrate a model of the mesh with a verified capsule, and append what it says',
  args: [FILE],
  options: HYDRATE,
  notes:
    'The model sees nothing of a capsule that does not verify. What it sees goes to the node that answers; for an' +
    '\nencrypted capsule that node has to be named: --on NODE.',
  examples: [
    'capsule hydrate report.capsule --task "What is missing?" -o report-2.capsule',
    'capsule hydrate report.capsule --print',
  ],
  run: async (...given) => (await import('./archive/hydrate.ts')).hydrate(...given),
});

export const archives = [
  verify,
  vectors,
  inspect,
  chain,
  part('manifest', 'manifest.json'),
  part('envelope', 'provenance/envelope.json'),
  part('program', 'program.md'),
  part('agents', 'agents.md'),
  extract,
  keygen,
  seal,
  append,
  decrypt,
  hydrate,
];
