import type { ArchiveEvent, DecryptionMetadata, Envelope } from '../../../protocols/archive/v1/schema.ts';
import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import {
  agreementKeyOf,
  canonicalBytes,
  canonicalText,
  derivedKey,
  encrypt,
  fixedRandom,
  raw,
  sha256,
  sharedSecret,
} from '../primitives.ts';

/* What format 0.6 says is hashed, signed and encrypted (`protocols/archive/v1/README.md`), said a second time for its vectors. */

export const PATHS = {
  manifest: 'manifest.json',
  envelope: 'provenance/envelope.json',
  chain: 'chain/events.jsonl',
  program: 'program.md',
  agents: 'agents.md',
  blob: 'content.enc',
  decryption: 'skills/decryption/decryption.json',
} as const;
export const CIPHER = 'ChaCha20-Poly1305';
/** `prev_hash` of the first event. */
export const GENESIS = '0'.repeat(64);

/** An event but for its place in a chain. */
export type UnlinkedEvent = Omit<ArchiveEvent, 'seq' | 'event_id' | 'prev_hash' | 'hash'>;

export interface Signer {
  role: string;
  publicKey: string;
  /** 128-hex. */
  sign: (message: Uint8Array) => string;
}

export function hashEvent(previous: string, { hash: _, ...event }: JsonObject): string {
  return sha256(raw(previous), canonicalBytes(event));
}

/** Gives each event its number, link and hash, behind the event `after`. */
export function linkEvents(
  events: readonly UnlinkedEvent[],
  after: Pick<ArchiveEvent, 'seq' | 'hash'> = { seq: 0, hash: GENESIS },
): ArchiveEvent[] {
  let { seq, hash } = after;
  return events.map((event) => {
    seq += 1;
    const linked = {
      ...event,
      event_id: `evt_${String(seq).padStart(3, '0')}`,
      prev_hash: hash,
      seq,
    };
    hash = hashEvent(hash, linked);
    return { ...linked, hash };
  });
}

/** The chain's file. */
export const linesOf = (events: readonly ArchiveEvent[]): string =>
  events.map((event) => `${canonicalText(event)}\n`).join('');

export function capsuleId(originator: string, firstEventHash: string): string {
  return sha256('capsule-id-v0.6\0', raw(originator), raw(firstEventHash));
}

export function signEnvelope(unsigned: Omit<Envelope, 'signers'>, signers: readonly Signer[]): Envelope {
  const payload = canonicalBytes(unsigned);
  return {
    ...unsigned,
    signers: signers.map(({ role, publicKey, sign }) => ({
      role,
      public_key: publicKey,
      signature: sign(Buffer.concat([Buffer.from(`capsule-provenance-v0.6:${role}\0`), payload])),
    })),
  };
}

/** `label` decides the keys and nonces. */
export function encryptContent(
  label: string,
  {
    recipients,
    ...binding
  }: { id: string; first: string; originator: string; recipients: readonly string[] },
  content: Uint8Array,
): { blob: Uint8Array; metadata: DecryptionMetadata } {
  const random = fixedRandom(label);
  const [key, nonce] = [random(32), random(12)];
  const aad = canonicalBytes({
    version: '0.6',
    capsule_id: binding.id,
    first_event_hash: binding.first,
    originator_public_key: binding.originator,
    cipher: CIPHER,
  });
  const bundles = recipients.map((recipient) => wrapKey(random, recipient, key));
  return {
    blob: encrypt({ key, nonce, aad }, content),
    metadata: { cipher: CIPHER, content_nonce: hex(nonce), key_bundles: bundles },
  };
}

function wrapKey(random: (length: number) => Uint8Array, recipient: string, contentKey: Uint8Array) {
  const [ephemeral, nonce] = [random(32), random(12)];
  const key = derivedKey(sharedSecret(ephemeral, recipient), raw(recipient), 'capsule-key-wrap-v0.6');
  return {
    recipient_public_key: recipient,
    ephemeral_public_key: agreementKeyOf(ephemeral),
    wrap_nonce: hex(nonce),
    wrapped_key: hex(encrypt({ key, nonce, aad: new Uint8Array() }, contentKey)),
  };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
