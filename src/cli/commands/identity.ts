import type { Command } from 'commander';
import { nodeIdOf } from '../../capsule/identity.ts';
import {
  exportIdentity,
  importIdentity,
  loadIdentity,
  loadOrCreateIdentity,
  type NodeIdentity,
} from '../../daemon/identity-file.ts';
import { nodeCrypto } from '../../lib/crypto-node.ts';
import { MeshError } from '../../lib/errors.ts';
import { type Cli, withExample } from '../cli.ts';
import { CliError } from '../failure.ts';
import { readText, writeOutput } from '../files.ts';
import { facts } from '../format.ts';
import { passphraseOf, readPassphrase } from '../keys.ts';
import { type DataOptions, dataDirectory, withData } from '../target.ts';

/** Bytes of an exported identity: a few hundred, with room. */
const IDENTITY_BYTES = 16_384;
const OWNER_ONLY = 0o600;

interface PassphraseOptions extends DataOptions {
  passphraseFile?: string;
}

const PROTECTION = '\nA protected identity is opened with the passphrase in CAPSULE_PASSPHRASE.';

export function addIdentity(program: Command, cli: Cli): void {
  const group = program.command('identity').description('this data directory’s key, without a node');
  withExample(group, 'capsule identity show');

  const print = (options: DataOptions, { identity }: NodeIdentity): void => {
    const shown = { identity, nodeId: nodeIdOf(identity), dataDirectory: dataDirectory(cli.io, options) };
    cli.answer(options, shown, () =>
      facts([
        ['node', shown.nodeId],
        ['identity', identity],
        ['data', shown.dataDirectory],
      ]),
    );
  };

  const show = group.command('show').description('node id and identity');
  withExample(withData(show), 'capsule identity show').action(async (options: DataOptions) => {
    const directory = dataDirectory(cli.io, options);
    const found = await loadIdentity(directory, { crypto: nodeCrypto, ...passphraseOf(cli.io) });
    if (found !== undefined) return print(options, found);
    throw new CliError(
      'not_found',
      `There is no identity in ${directory}.`,
      'Make one with: capsule identity new',
    );
  });

  const make = group
    .command('new')
    .description('make a key where there is none')
    .option('--passphrase-file <file>', 'protect it with the first line of this file')
    .addHelpText('after', PROTECTION);
  withExample(withData(make), 'capsule identity new').action(async (options: PassphraseOptions) => {
    const directory = dataDirectory(cli.io, options);
    const protection = await protectionOf(cli, options);
    const made = await loadOrCreateIdentity(directory, { crypto: nodeCrypto, ...protection });
    if (made.created) return print(options, made);
    throw new MeshError('conflict', `There is an identity in ${directory} already; it is left as it is.`);
  });

  const exporting = group
    .command('export')
    .description('the key as text, to keep elsewhere; whoever has it is this node')
    .option('--out <file>', 'write it to a file that only you can read')
    .option('--passphrase-file <file>', 'protect it with the first line of this file')
    .addHelpText('after', PROTECTION);
  withExample(
    withData(exporting),
    'capsule identity export --passphrase-file secret.txt --out key.json',
  ).action(async (options: PassphraseOptions & { out?: string }) => {
    const { passphraseFile } = options;
    const text = await exportIdentity(dataDirectory(cli.io, options), {
      crypto: nodeCrypto,
      ...passphraseOf(cli.io),
      ...(passphraseFile !== undefined && { exportPassphrase: await readPassphrase(passphraseFile) }),
    });
    if (options.out === undefined) cli.print(text);
    else await writeOutput(options.out, text, OWNER_ONLY);
  });

  const importing = group
    .command('import')
    .description('put an exported key in place, protected as it was')
    .argument('<file>', 'the exported key; - is standard input')
    .option('--replace', 'abandon the identity that is there, with its receipts and credits')
    .option('--passphrase-file <file>', 'what it is protected with, in the first line')
    .addHelpText('after', PROTECTION);
  withExample(withData(importing), 'capsule identity import key.json').action(
    async (file: string, options: PassphraseOptions & { replace?: boolean }) => {
      const text = await readText(cli.io, file, IDENTITY_BYTES);
      const imported = await importIdentity(dataDirectory(cli.io, options), text, {
        crypto: nodeCrypto,
        ...(await protectionOf(cli, options)),
        ...(options.replace && { replace: true }),
      });
      print(options, imported);
    },
  );
}

async function protectionOf(cli: Cli, options: PassphraseOptions): Promise<{ passphrase?: string }> {
  if (options.passphraseFile === undefined) return passphraseOf(cli.io);
  return { passphrase: await readPassphrase(options.passphraseFile) };
}
