import type { IdentityOptions, NodeIdentity } from '../../daemon/identity-file.ts';
import { MeshError } from '../../lib/errors.ts';
import { checkTextOutput, writeText } from '../archive-files.ts';
import type { Cli } from '../cli.ts';
import { command, group } from '../command.ts';
import { CliError, usage } from '../failure.ts';
import { readText } from '../files.ts';
import { facts } from '../format.ts';
import { arg, flag, option } from '../option.ts';
import { DATA, type DataOptions, outputOf } from '../options.ts';
import { dataDirectory } from '../target.ts';

/** Bytes of an exported identity, or a passphrase file: a few hundred, with room. */
const FILE_BYTES = 16_384;
const OWNER_ONLY = 0o600;

/** What handles keys is loaded when it is used: it takes a while to load. */
const files = () => import('../../daemon/identity-file.ts');
const keys = () => import('../keys.ts');
const notes = 'A protected identity is opened with the passphrase in CAPSULE_PASSPHRASE.';
const passphraseFile = option('<file>', 'protect it with the first line of this file');

const show = command({
  name: 'show',
  about: 'node id and identity',
  options: DATA,
  examples: ['capsule identity show'],
  async run(cli, options) {
    const directory = dataDirectory(cli.io, options);
    const found = await (await files()).loadIdentity(directory, (await keys()).keyOptions(cli));
    if (found !== undefined) return print(cli, options, found);
    const hint = 'Make one with: capsule identity new';
    throw new CliError('not_found', `There is no identity in ${directory}.`, hint);
  },
});

const make = command({
  name: 'new',
  about: 'make a key where there is none',
  options: { passphraseFile, ...DATA },
  notes,
  examples: ['capsule identity new'],
  async run(cli, options) {
    const directory = dataDirectory(cli.io, options);
    const made = await (await files()).loadOrCreateIdentity(directory, await protection(cli, options));
    if (made.created) return print(cli, options, made);
    throw new MeshError('conflict', `There is an identity in ${directory} already; it is left as it is.`);
  },
});

const exporting = command({
  name: 'export',
  about: 'the key as text, to keep elsewhere; whoever has it is this node',
  options: { ...outputOf('it, for nobody else to read,'), passphraseFile, ...DATA },
  notes,
  examples: ['capsule identity export --passphrase-file secret.txt --out key.json'],
  async run(cli, options) {
    const { out, force } = options;
    await checkTextOutput(out, force);
    const exportPassphrase = await passphraseOf(cli, options);
    const text = await (await files()).exportIdentity(dataDirectory(cli.io, options), {
      ...(await keys()).keyOptions(cli),
      ...(exportPassphrase !== undefined && { exportPassphrase }),
    });
    if (out === undefined) cli.print(text);
    else await writeText(out, text, { force, mode: OWNER_ONLY });
  },
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
  async run(cli, options, file) {
    const text = await readText(cli.io, file, FILE_BYTES);
    const imported = await (await files()).importIdentity(dataDirectory(cli.io, options), text, {
      ...(await protection(cli, options)),
      ...(options.replace && { replace: true }),
    });
    await print(cli, options, imported);
  },
});

export const identity = group(
  {
    name: 'identity',
    about: 'this data directory’s key, without a node',
    examples: ['capsule identity show'],
  },
  [show, make, exporting, importing],
);

interface Protected {
  passphraseFile: string | undefined;
}

/** The first line of the file that was named. */
async function passphraseOf(cli: Cli, { passphraseFile: file }: Protected): Promise<string | undefined> {
  if (file === undefined) return undefined;
  const [line = ''] = (await readText(cli.io, file, FILE_BYTES)).split(/\r?\n/);
  if (line === '') throw usage(`The first line of ${file} must be the passphrase.`);
  return line;
}

async function protection(cli: Cli, options: Protected): Promise<IdentityOptions> {
  const passphrase = await passphraseOf(cli, options);
  return { ...(await keys()).keyOptions(cli), ...(passphrase !== undefined && { passphrase }) };
}

async function print(cli: Cli, options: DataOptions, { identity: key }: NodeIdentity): Promise<void> {
  const { nodeIdOf } = await import('../../capsule/identity.ts');
  const shown = { identity: key, nodeId: nodeIdOf(key), dataDirectory: dataDirectory(cli.io, options) };
  cli.answer(options, shown, () =>
    facts([
      ['node', shown.nodeId],
      ['identity', key],
      ['data', shown.dataDirectory],
    ]),
  );
}
