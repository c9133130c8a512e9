import { nodeIdOf } from '../capsule/identity.ts';
import {
  exportIdentity,
  type IdentityOptions,
  importIdentity,
  loadIdentity,
  loadOrCreateIdentity,
  type NodeIdentity,
} from '../daemon/identity-file.ts';
import { MeshError } from '../lib/errors.ts';
import { checkTextOutput, writeText } from './archive-files.ts';
import type { Cli } from './cli.ts';
import { CliError } from './failure.ts';
import { readText } from './files.ts';
import { facts } from './format.ts';
import { keyOptions, readPassphrase } from './keys.ts';
import type { DataOptions, OutOptions } from './options.ts';
import { dataDirectory } from './target.ts';

/** Bytes of an exported identity: a few hundred, with room. */
const IDENTITY_BYTES = 16_384;
const OWNER_ONLY = 0o600;

type PassphraseOptions = DataOptions & { passphraseFile: string | undefined };

export async function showIdentity(cli: Cli, options: DataOptions): Promise<void> {
  const directory = dataDirectory(cli.io, options);
  const found = await loadIdentity(directory, keyOptions(cli));
  if (found !== undefined) return print(cli, options, found);
  throw new CliError(
    'not_found',
    `There is no identity in ${directory}.`,
    'Make one with: capsule identity new',
  );
}

export async function makeIdentity(cli: Cli, options: PassphraseOptions): Promise<void> {
  const directory = dataDirectory(cli.io, options);
  const made = await loadOrCreateIdentity(directory, await protection(cli, options));
  if (made.created) return print(cli, options, made);
  throw new MeshError('conflict', `There is an identity in ${directory} already; it is left as it is.`);
}

export async function exportKey(cli: Cli, options: PassphraseOptions & OutOptions): Promise<void> {
  const { passphraseFile, out, force } = options;
  await checkTextOutput(out, force);
  const text = await exportIdentity(dataDirectory(cli.io, options), {
    ...keyOptions(cli),
    ...(passphraseFile !== undefined && { exportPassphrase: await readPassphrase(cli.io, passphraseFile) }),
  });
  if (out === undefined) cli.print(text);
  else await writeText(out, text, { force, mode: OWNER_ONLY });
}

export async function importKey(
  cli: Cli,
  options: PassphraseOptions & { replace: boolean | undefined },
  file: string,
): Promise<void> {
  const text = await readText(cli.io, file, IDENTITY_BYTES);
  const imported = await importIdentity(dataDirectory(cli.io, options), text, {
    ...(await protection(cli, options)),
    ...(options.replace && { replace: true }),
  });
  print(cli, options, imported);
}

async function protection(cli: Cli, { passphraseFile }: PassphraseOptions): Promise<IdentityOptions> {
  const base = keyOptions(cli);
  return passphraseFile === undefined
    ? base
    : { ...base, passphrase: await readPassphrase(cli.io, passphraseFile) };
}

function print(cli: Cli, options: DataOptions, { identity }: NodeIdentity): void {
  const shown = { identity, nodeId: nodeIdOf(identity), dataDirectory: dataDirectory(cli.io, options) };
  cli.answer(options, shown, () =>
    facts([
      ['node', shown.nodeId],
      ['identity', identity],
      ['data', shown.dataDirectory],
    ]),
  );
}
