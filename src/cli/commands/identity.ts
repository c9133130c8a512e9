import { command, group } from '../command.ts';
import { arg, flag, option } from '../option.ts';
import { DATA, outputOf } from '../options.ts';

/** What handles keys is loaded when it is used: it takes a while to load. */
const actions = () => import('../identity.ts');
const notes = 'A protected identity is opened with the passphrase in CAPSULE_PASSPHRASE.';
const passphraseFile = option('<file>', 'protect it with the first line of this file');

const show = command({
  name: 'show',
  about: 'node id and identity',
  options: DATA,
  examples: ['capsule identity show'],
  run: async (...given) => (await actions()).showIdentity(...given),
});

const make = command({
  name: 'new',
  about: 'make a key where there is none',
  options: { passphraseFile, ...DATA },
  notes,
  examples: ['capsule identity new'],
  run: async (...given) => (await actions()).makeIdentity(...given),
});

const exporting = command({
  name: 'export',
  about: 'the key as text, to keep elsewhere; whoever has it is this node',
  options: { ...outputOf('it, for nobody else to read,'), passphraseFile, ...DATA },
  notes,
  examples: ['capsule identity export --passphrase-file secret.txt --out key.json'],
  run: async (...given) => (await actions()).exportKey(...given),
});

const importing = command({
  name: 'import',
  about: 'put an exported key in place, protected as it was',
  args: [arg('<file>', 'the exported key; - is standard input')],
  options: {
    replace: flag('abandon the identity that is there, with its receipts and credits'),
    passphraseFile: option('<file>', 'what it is protected with, in the first line'),
    ...DATA,
  },
  notes,
  examples: ['capsule identity import key.json'],
  run: async (...given) => (await actions()).importKey(...given),
});

export const identity = group(
  {
    name: 'identity',
    about: 'this data directory’s key, without a node',
    examples: ['capsule identity show'],
  },
  [show, make, exporting, importing],
);
