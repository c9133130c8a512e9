import { join, resolve } from 'node:path';
import { nodeArchiveCrypto } from '../../../archive/crypto/node-crypto.ts';
import { toHex } from '../../../lib/hex.ts';
import { checkOutputs, makeDirectory, unwritable, writeNewFile } from '../../archive-files.ts';
import type { Cli } from '../../cli.ts';
import type { Values } from '../../option.ts';
import type { KEYGEN } from './options.ts';

const SEED_BYTES = 32;
const OWNER_ONLY = 0o600;
const ANYONE = 0o666;
const MAX_LABEL_CHARS = 40;
const DEFAULT_LABEL = 'capsule';

/** Makes a key pair (archive-v0.6 "Command line"): printed, or written to files of which one is secret. */
export async function keygen(cli: Cli, options: Values<typeof KEYGEN>): Promise<void> {
  const seed = nodeArchiveCrypto.randomBytes(SEED_BYTES);
  const agreement = nodeArchiveCrypto.agreementSecret(seed);
  const keys = {
    algorithm: 'Ed25519',
    public_key_hex: toHex(nodeArchiveCrypto.publicKey(seed)),
    private_key_hex: toHex(seed),
    recipient_public_key_hex: toHex(nodeArchiveCrypto.agreementPublicKey(agreement)),
  };
  if (options.out === undefined) {
    return cli.answer(options, keys, () =>
      [
        `Algorithm:      ${keys.algorithm}`,
        `Public key:     ${keys.public_key_hex}`,
        `Private key:    ${keys.private_key_hex}`,
        `Recipient key:  ${keys.recipient_public_key_hex}`,
        '',
        'Whoever has the private key signs as you and reads what is encrypted to you.',
      ].join('\n'),
    );
  }
  const { private_key_hex, ...shown } = keys;
  const label = fileLabel(options.label ?? DEFAULT_LABEL);
  const directory = resolve(options.out);
  const at = (kind: string) => join(directory, `${label}.${kind}.hex`);
  const paths = {
    public_key_path: at('public'),
    private_key_path: at('private'),
    recipient_key_path: at('recipient'),
  };
  await makeDirectory(directory).catch((error: unknown) => {
    throw unwritable(directory, error);
  });
  await checkOutputs(Object.values(paths), options.force);
  // The secret first: a public key whose secret could not be kept is of no use.
  await writeNewFile(paths.private_key_path, `${private_key_hex}\n`, {
    force: options.force,
    mode: OWNER_ONLY,
  });
  await writeNewFile(paths.public_key_path, `${keys.public_key_hex}\n`, {
    force: options.force,
    mode: ANYONE,
  });
  await writeNewFile(paths.recipient_key_path, `${keys.recipient_public_key_hex}\n`, {
    force: options.force,
    mode: ANYONE,
  });
  cli.answer(options, { ...shown, ...paths }, () =>
    [
      `Generated Ed25519 keypair (${label}):`,
      `  public    → ${paths.public_key_path}`,
      `  private   → ${paths.private_key_path}  (only you can read it)`,
      `  recipient → ${paths.recipient_key_path}`,
      `  pubkey    : ${keys.public_key_hex}`,
      '',
      `Trust its signatures:  capsule verify FILE --allowlist ${keys.public_key_hex}`,
      `Encrypt to it:         capsule seal DIR -o FILE --recipient ${paths.recipient_key_path}`,
    ].join('\n'),
  );
}

/** A label as the start of a file's name. */
function fileLabel(label: string): string {
  const safe = label.replace(/[^a-zA-Z0-9_.-]/g, '_').slice(0, MAX_LABEL_CHARS);
  return ['', '.', '..'].includes(safe) ? DEFAULT_LABEL : safe;
}
