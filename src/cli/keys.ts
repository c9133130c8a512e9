import { nodeIdOf } from '../capsule/identity.ts';
import { type IdentityOptions, loadOrCreateIdentity } from '../daemon/identity-file.ts';
import { createSigner, type Signer } from '../lib/crypto.ts';
import { nodeCrypto } from '../lib/crypto-node.ts';
import type { Cli } from './cli.ts';
import type { DataOptions } from './options.ts';
import { dataDirectory } from './target.ts';

/** What opens a protected identity file: never an argument, which other users of the machine could read. */
export function keyOptions(cli: Cli): IdentityOptions {
  const passphrase = cli.io.env.CAPSULE_PASSPHRASE;
  return { crypto: nodeCrypto, ...(passphrase && { passphrase }) };
}

/** The data directory's key as a signer; made, and said so, where there is none yet. */
export async function openIdentity(cli: Cli, options: DataOptions): Promise<Signer> {
  const directory = dataDirectory(cli.io, options);
  const { identity, seed, created } = await loadOrCreateIdentity(directory, keyOptions(cli));
  if (created) cli.note(`Made a new identity in ${directory}: ${nodeIdOf(identity)}`);
  return createSigner(nodeCrypto, seed);
}
