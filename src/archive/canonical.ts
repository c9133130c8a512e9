import type { IndexedFile } from '../../protocols/archive/v1/schema.ts';
import type { JsonValue } from '../../protocols/common/v1/schema.ts';
import { canonicalText } from '../lib/canonical.ts';
import type { Crypto } from '../lib/crypto.ts';
import { fromHex } from '../lib/hex.ts';

/* What hashes and signatures are made over (archive-v0.6 "Primitives", "Manifest"). */

type Hashing = Pick<Crypto, 'sha256Hex'>;

const ID_DOMAIN = 'capsule-id-v0.6\0';
const encoder = new TextEncoder();

/** UTF-8 of the RFC 8785 form. */
export function canonicalBytes(value: JsonValue): Uint8Array {
  return encoder.encode(canonicalText(value));
}

/** One text and then bytes, as one buffer. */
export function joined(prefix: string, ...parts: Uint8Array[]): Uint8Array {
  const head = encoder.encode(prefix);
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, head.length));
  whole.set(head);
  let offset = head.length;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Id of an archive, from its originator's key and its first event. All 64-hex. */
export function capsuleId(crypto: Hashing, originatorPublicKey: string, firstEventHash: string): string {
  return crypto.sha256Hex(joined(ID_DOMAIN, fromHex(originatorPublicKey), fromHex(firstEventHash)));
}

/** `index_hash` of a manifest: over the canonical list as it is stored. */
export function indexHash(crypto: Hashing, files: IndexedFile[]): string {
  return crypto.sha256Hex(canonicalBytes(files));
}
