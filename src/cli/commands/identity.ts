import type { Command } from 'commander';
import { type Cli, withExample } from '../cli.ts';
import type { PassphraseOptions } from '../identity.ts';
import { type OutOptions, withOut } from '../options.ts';
import { type DataOptions, withData } from '../target.ts';

const PROTECTION = '\nA protected identity is opened with the passphrase in CAPSULE_PASSPHRASE.';

/** What handles keys is loaded when it is used: it takes a while to load. */
const actions = () => import('../identity.ts');

export function addIdentity(program: Command, cli: Cli): void {
  const group = program.command('identity').description('this data directory’s key, without a node');
  withExample(group, 'capsule identity show');

  const show = group.command('show').description('node id and identity');
  withExample(withData(show), 'capsule identity show').action(async (options: DataOptions) =>
    (await actions()).showIdentity(cli, options),
  );

  const make = group
    .command('new')
    .description('make a key where there is none')
    .option('--passphrase-file <file>', 'protect it with the first line of this file')
    .addHelpText('after', PROTECTION);
  withExample(withData(make), 'capsule identity new').action(async (options: PassphraseOptions) =>
    (await actions()).makeIdentity(cli, options),
  );

  const exporting = withOut(
    group.command('export').description('the key as text, to keep elsewhere; whoever has it is this node'),
    'it, for nobody else to read,',
  )
    .option('--passphrase-file <file>', 'protect it with the first line of this file')
    .addHelpText('after', PROTECTION);
  withExample(
    withData(exporting),
    'capsule identity export --passphrase-file secret.txt --out key.json',
  ).action(async (options: PassphraseOptions & OutOptions) => (await actions()).exportKey(cli, options));

  const importing = group
    .command('import')
    .description('put an exported key in place, protected as it was')
    .argument('<file>', 'the exported key; - is standard input')
    .option('--replace', 'abandon the identity that is there, with its receipts and credits')
    .option('--passphrase-file <file>', 'what it is protected with, in the first line')
    .addHelpText('after', PROTECTION);
  withExample(withData(importing), 'capsule identity import key.json').action(
    async (file: string, options: PassphraseOptions & { replace?: boolean }) =>
      (await actions()).importKey(cli, file, options),
  );
}
