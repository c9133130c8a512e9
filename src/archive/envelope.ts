import { ARCHIVE_VERSION, CIPHER, type Envelope, type Manifest } from '../../protocols/archive/v1/schema.ts';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { fromHex, isHex, toHex } from '../lib/hex.ts';
import { canonicalBytes, joined } from './canonical.ts';
import { quoted, type Report } from './findings.ts';
import type { ArchiveComponents, ArchiveSigner, SignerVerdict } from './types.ts';

const SIGNING_DOMAIN = `capsule-provenance-v${ARCHIVE_VERSION}:`;
export const ORIGINATOR = 'originator';
export const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const CIPHERS: ReadonlySet<string> = new Set(['none', CIPHER]);
/** Hashed once for each signer; an envelope is a thousand bytes, and later members of it may be some more. */
const MAX_SIGNED_BYTES = 65_536;

/** What a signer signs: the role, and the envelope without its signers (archive-v0.6 "Envelope"). */
export const signingInput = (envelope: JsonObject, role: string): Uint8Array =>
  inputFor(payloadOf(envelope), role);

const inputFor = (payload: Uint8Array, role: string) => joined(`${SIGNING_DOMAIN}${role}\0`, payload);

function payloadOf(envelope: JsonObject): Uint8Array {
  const { signers: _, ...signed } = envelope;
  return canonicalBytes(signed);
}

/** The envelope with one signature for each signer, in their order. */
export async function signEnvelope(
  unsigned: Omit<Envelope, 'signers'>,
  signers: readonly ArchiveSigner[],
): Promise<Envelope> {
  const payload = payloadOf(unsigned);
  const signed: Envelope['signers'] = [];
  for (const { role, publicKey, sign } of signers) {
    const signature = toHex(await sign(inputFor(payload, role)));
    signed.push({ role, public_key: publicKey, signature });
  }
  return { ...unsigned, signers: signed };
}

/** Every signature of an envelope, as stored, under its own key and role, none of them twice. */
export async function checkSigners(
  { crypto }: ArchiveComponents,
  envelope: Envelope & JsonObject,
  allowlist: ReadonlySet<string>,
  report: Report,
): Promise<SignerVerdict[]> {
  const fail = (message: string) => report({ area: 'envelope', message });
  const payload = payloadOf(envelope);
  const signers: SignerVerdict[] = [];
  const seen = new Set<string>();
  const isShort = payload.length <= MAX_SIGNED_BYTES;
  if (!isShort) fail(`the envelope has more than ${String(MAX_SIGNED_BYTES)} signed bytes`);
  for (const [index, { role, public_key, signature }] of envelope.signers.entries()) {
    if (seen.has(`${public_key} ${role}`))
      fail(`signer ${public_key} is there twice as ${JSON.stringify(role)}`);
    seen.add(`${public_key} ${role}`);
    const valid =
      isShort &&
      isHex(public_key, KEY_BYTES) &&
      isHex(signature, SIGNATURE_BYTES) &&
      (await crypto.verify(inputFor(payload, role), fromHex(signature), fromHex(public_key)));
    signers.push({ role, public_key, valid, trusted: valid && allowlist.has(public_key) });
    if (!valid) fail(`signature ${String(index + 1)} (role ${JSON.stringify(role)}) is not valid`);
  }
  return signers;
}

/** What an envelope must say for itself and about its manifest, short of hashes and signatures. */
export function checkEnvelope(envelope: Envelope, manifest: Manifest, report: Report): void {
  const fail = (message: string) => report({ area: 'envelope', message });
  const { cipher, signers, encrypted_blob_hash: blobHash } = envelope;
  const encrypted = cipher !== 'none';
  const originator = manifest.originator.public_key;
  if (!CIPHERS.has(cipher)) fail(`cipher ${quoted(cipher)} is not known`);
  if (encrypted !== (blobHash !== null))
    fail(`encrypted_blob_hash ${blobHash === null ? 'is null' : 'is set'} with cipher ${quoted(cipher)}`);
  if (encrypted !== Boolean(manifest.encryption))
    fail(`manifest.encryption ${encrypted ? 'is null' : 'is set'} with cipher ${quoted(cipher)}`);
  if (manifest.encryption && manifest.encryption.cipher !== cipher)
    fail(`manifest.encryption names the cipher ${quoted(manifest.encryption.cipher)}`);
  if (!signers.some((signer) => signer.role === ORIGINATOR && signer.public_key === originator))
    fail("the originator's key is not among the signers with the role originator");
}
