import type { Domain } from '../../protocols/common/v1/limits.ts';
import type { Crypto, Signer } from '../lib/crypto.ts';
import { fromHex, toHex } from '../lib/hex.ts';
import { canonicalJson } from '../lib/json.ts';

/** Ed25519 is over `utf8(domain + "\0") || raw hash`, so no signature of one kind passes for another. */
function messageOf(domain: Domain, hashHex: string): Uint8Array {
  const prefix = new TextEncoder().encode(`${domain}\0`);
  const message = new Uint8Array(prefix.length + hashHex.length / 2);
  message.set(prefix);
  message.set(fromHex(hashHex), prefix.length);
  return message;
}

/** 128-hex signature of a 64-hex hash (protocol "Common rules"). */
export function signHash(signer: Signer, domain: Domain, hashHex: string): string {
  return toHex(signer.sign(messageOf(domain, hashHex)));
}

/** Throws only where an argument is not hex, which a schema has ruled out. */
export function verifyHash(
  crypto: Crypto,
  domain: Domain,
  hashHex: string,
  signatureHex: string,
  identityHex: string,
): boolean {
  return crypto.verify(messageOf(domain, hashHex), fromHex(signatureHex), fromHex(identityHex));
}

/** SHA-256 of the canonical form, 64-hex. Throws `invalid_json` for what has none. */
export function hashJson(crypto: Crypto, value: unknown): string {
  return crypto.sha256Hex(canonicalJson(value));
}
