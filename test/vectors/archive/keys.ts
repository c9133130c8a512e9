import { agreementKeyOf, agreementSecretOf, signatureOf, signingKeyOf } from '../primitives.ts';
import type { Signer } from './format.ts';

/** Pairs as a keys file has them: an Ed25519 seed or an X25519 secret, and its public key. */
export interface Pair {
  secret: Uint8Array;
  publicKey: string;
}

const seedOf = (byte: number) => new Uint8Array(32).fill(byte);

function signing(byte: number): Pair {
  const secret = seedOf(byte);
  return { secret, publicKey: signingKeyOf(secret) };
}

function agreement(secret: Uint8Array): Pair {
  return { secret, publicKey: agreementKeyOf(secret) };
}

/** The seeds of `protocols/common/v1/vectors/keys.json`. */
export const alice = signing(0xa1);
export const bob = signing(0xb0);
export const mallory = signing(0xee);
export const recipient = agreement(seedOf(0x11));
export const second = agreement(seedOf(0x22));
export const third = agreement(seedOf(0x33));
/** Bob as a recipient: the X25519 key that belongs to his Ed25519 seed. */
export const bobAsRecipient = agreementKeyOf(agreementSecretOf(bob.secret));

export function signer({ secret, publicKey }: Pair, role = 'originator'): Signer {
  return { role, publicKey, sign: (message) => signatureOf(secret, message) };
}

/** What `keys.json` beside the vectors holds. */
export function keyFile(): Record<string, { publicKey: string; privateKey: string }> {
  const pairs = { originator: alice, bob, mallory, recipient, second, third };
  return Object.fromEntries(
    Object.entries(pairs).map(([name, { secret, publicKey }]) => [
      name,
      { publicKey, privateKey: Buffer.from(secret).toString('hex') },
    ]),
  );
}
