import { createHash } from 'node:crypto';
import type { ArchiveCrypto } from '../../src/archive/crypto/crypto.ts';
import { nodeArchiveCrypto } from '../../src/archive/crypto/node-crypto.ts';
import type { ArchiveSigner } from '../../src/archive/types.ts';
import { toHex } from '../../src/lib/hex.ts';

/** Pairs as a keys file has them: an Ed25519 seed or an X25519 secret, and its public key. */
export interface Pair {
  secret: Uint8Array;
  publicKey: string;
}

const seedOf = (byte: number) => new Uint8Array(32).fill(byte);

function signing(byte: number): Pair {
  const secret = seedOf(byte);
  return { secret, publicKey: toHex(nodeArchiveCrypto.publicKey(secret)) };
}

function agreement(secret: Uint8Array): Pair {
  return { secret, publicKey: toHex(nodeArchiveCrypto.agreementPublicKey(secret)) };
}

/** The seeds of `protocols/common/v1/vectors/keys.json`. */
export const alice = signing(0xa1);
export const bob = signing(0xb0);
export const mallory = signing(0xee);
export const recipient = agreement(seedOf(0x11));
export const second = agreement(seedOf(0x22));
export const third = agreement(seedOf(0x33));
/** Bob as a recipient: the X25519 key that belongs to his Ed25519 seed. */
export const bobAsRecipient = agreement(nodeArchiveCrypto.agreementSecret(bob.secret)).publicKey;

export function signer({ secret, publicKey }: Pair, role = 'originator'): ArchiveSigner {
  return { role, publicKey, sign: (message) => nodeArchiveCrypto.sign(message, secret) };
}

/** What `keys.json` beside the vectors holds. */
export function keyFile(): Record<string, { publicKey: string; privateKey: string }> {
  const pairs = { originator: alice, bob, mallory, recipient, second, third };
  return Object.fromEntries(
    Object.entries(pairs).map(([name, { secret, publicKey }]) => [
      name,
      { publicKey, privateKey: toHex(secret) },
    ]),
  );
}

/** The same "random" bytes for the same label, lest every run write other archives. Never for anything real. */
export function fixedRandomCrypto(label: string): ArchiveCrypto {
  let drawn = 0;
  const randomBytes = (length: number): Uint8Array => {
    drawn += 1;
    const hash = createHash('shake256', { outputLength: length });
    return new Uint8Array(hash.update(`${label}:${String(drawn)}`).digest());
  };
  return { ...nodeArchiveCrypto, randomBytes };
}
