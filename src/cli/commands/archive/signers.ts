import { ORIGINATOR } from '../../../archive/envelope.ts';
import type { ArchiveSigner } from '../../../archive/types.ts';
import { createSigner } from '../../../lib/crypto.ts';
import { nodeCrypto } from '../../../lib/crypto-node.ts';
import type { Cli } from '../../cli.ts';
import { usage } from '../../failure.ts';
import type { DataOptions } from '../../options.ts';
import { readSecret } from './keys.ts';

type SignerOptions = DataOptions & { signer: string[] | undefined };

/** Who signs: `ROLE:KEYFILE` each, or the data directory's identity as originator. Throws `usage`. */
export async function readSigners(cli: Cli, options: SignerOptions): Promise<ArchiveSigner[]> {
  const named = options.signer ?? [];
  if (named.length === 0) {
    const { openIdentity } = await import('../../keys.ts');
    const { identity, sign } = await openIdentity(cli, options);
    return [{ role: ORIGINATOR, publicKey: identity, sign }];
  }
  const signers = await Promise.all(named.map((value) => readSigner(cli, value)));
  if (signers.some(({ role }) => role === ORIGINATOR)) return signers;
  throw usage('Nobody signs as originator.', 'Give that key as well: --signer originator:KEYFILE');
}

async function readSigner(cli: Cli, value: string): Promise<ArchiveSigner> {
  const { role, file } = /^(?<role>[^:]{1,128}):(?<file>.+)$/s.exec(value)?.groups ?? {};
  if (role === undefined || file === undefined)
    throw usage(
      `"${value}" does not say who signs with what.`,
      'Such as: --signer reviewer:keys/bob.private.hex',
    );
  const { identity, sign } = createSigner(nodeCrypto, await readSecret(cli.io, file));
  return { role, publicKey: identity, sign };
}
