import { canonicalBytes, capsuleId, indexHash } from '../../../src/archive/canonical.ts';
import { hashEvent } from '../../../src/archive/chain.ts';
import { nodeArchiveCrypto as crypto } from '../../../src/archive/crypto/node-crypto.ts';
import { signingInput } from '../../../src/archive/envelope.ts';
import { readArchive } from '../../../src/archive/read-unverified.ts';
import { pith } from '../../../src/archive/seal/pith.ts';
import { verifyArchive } from '../../../src/archive/verify.ts';
import { fromHex, toHex } from '../../../src/lib/hex.ts';
import { canonicalJson } from '../../../src/lib/json.ts';
import { type Results, reasonOf } from './results.ts';
import type { Embedded, KeyOrder, Numbers, Pith, Signatures, SigningInput } from './shapes.ts';

const decode = (base64: string): Uint8Array => Buffer.from(base64, 'base64');
const utf8 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');

/** An archive that verifies, and every hash in it. */
export async function runEmbedded(results: Results, set: string, vector: Embedded): Promise<void> {
  const bytes = decode(vector.capsule_bytes_b64);
  const key = vector.originator_public_key_hex;
  const found = await verifyArchive({ crypto }, bytes, { allowlist: key === undefined ? [] : [key] });
  results.add(set, 'verifies', 'ok', found.ok ? 'ok' : `fails ${found.failing.join(' ')}`);
  const observed = new Map<string, string | undefined>([
    ['capsule_id', found.manifest?.id],
    ['first_event_hash', found.manifest?.first_event_hash],
    ['entry_hash', found.envelope?.entry_hash],
    ['manifest_hash', found.envelope?.manifest_hash],
    ['content_index_hash', found.envelope?.content_index_hash],
    ['envelope_signature_hex', found.envelope?.signers[0]?.signature],
  ]);
  const { event_hashes: hashes, ...pinned } = vector.expected;
  for (const [name, expected] of Object.entries(pinned))
    results.add(set, name, expected, observed.get(name) ?? 'nothing');
  if (hashes !== undefined)
    results.add(set, 'event_hashes', hashes.join(' '), found.events.map(({ hash }) => hash).join(' '));
}

/** The very bytes that are hashed and signed, rebuilt from the archive that the vector refers to. */
export async function runSigningInput(
  results: Results,
  set: string,
  vector: SigningInput,
  referred: Embedded,
): Promise<void> {
  const same = (name: string, expected: string, got: string) => results.add(set, name, expected, got);
  const bytes = decode(referred.capsule_bytes_b64);
  const { manifest, envelope, plain } = await readArchive({ crypto }, bytes);
  const events = plain?.events ?? [];
  const id = vector.capsule_id;
  same(
    'capsule id',
    id.capsule_id_hex,
    capsuleId(crypto, id.originator_public_key_hex, id.first_event_hash_hex),
  );
  same('capsule id of the manifest', id.capsule_id_hex, manifest.id);
  same('capsule id domain', id.domain_hex, toHex(new TextEncoder().encode('capsule-id-v0.6\0')));
  same('number of events', String(vector.events.length), String(events.length));
  for (const [index, event] of events.entries()) {
    const pin = vector.events[index];
    if (pin === undefined) break;
    const { hash, ...hashed } = event;
    same(`event ${String(index + 1)} bytes`, pin.canonical_bytes_hex, toHex(canonicalBytes(hashed)));
    same(`event ${String(index + 1)} hash`, pin.hash_hex, hashEvent(crypto, pin.prev_hash_hex, event));
    same(`event ${String(index + 1)} stored hash`, pin.hash_hex, hash);
  }
  same('manifest bytes', vector.manifest.canonical_bytes_hex, toHex(canonicalBytes(manifest)));
  same('manifest hash', vector.manifest.sha256_hex, crypto.sha256Hex(canonicalBytes(manifest)));
  const { files } = manifest.content_index;
  same('content index bytes', vector.content_index.canonical_bytes_hex, toHex(canonicalBytes(files)));
  same('content index hash', vector.content_index.sha256_hex, indexHash(crypto, files));
  for (const pin of vector.envelope.signers) {
    const input = signingInput(envelope, pin.role);
    same(
      `signing input of ${pin.role}`,
      pin.domain_hex + vector.envelope.canonical_payload_hex,
      toHex(input),
    );
    same(`signing input of ${pin.role}, hashed`, pin.signing_input_sha256, crypto.sha256Hex(input));
    const valid = await crypto.verify(input, fromHex(pin.signature_hex), fromHex(pin.public_key_hex));
    same(`signature of ${pin.role}`, 'valid', valid ? 'valid' : 'not valid');
  }
}

/** Numbers by their bits: the canonical text of each. */
export function runNumbers(results: Results, set: string, { vectors }: Numbers): void {
  for (const { ieee_hex: bits, expected, accepted } of vectors) {
    if (accepted === false) {
      results.skip(`${set}: ${bits}`, 'not a vector of this format: refuses a number that RFC 8785 allows');
      continue;
    }
    const value = new DataView(fromHex(bits).buffer).getFloat64(0);
    results.add(
      set,
      bits,
      expected,
      attempt(() => canonicalJson(value)),
    );
  }
}

export function runPith(results: Results, set: string, { vectors }: Pith): void {
  for (const { name, text, expected } of vectors)
    results.add(
      set,
      name,
      expected,
      attempt(() => pith(text)),
    );
}

/** An object of these names, each with its place as value: the order that canonical form gives them. */
export function runKeyOrder(results: Results, set: string, { vectors }: KeyOrder): void {
  for (const { name, keys, canonical_utf8_hex: expected } of vectors) {
    const value = Object.fromEntries(keys.map((key, index) => [key, index]));
    results.add(
      set,
      name,
      utf8(fromHex(expected)),
      attempt(() => utf8(canonicalBytes(value))),
    );
  }
}

export async function runSignatures(results: Results, set: string, { vectors }: Signatures): Promise<void> {
  const verdict = (valid: boolean) => (valid ? 'valid' : 'not valid');
  for (const { name, message_hex, signature_hex, public_key_hex, expected } of vectors) {
    const valid = await crypto.verify(fromHex(message_hex), fromHex(signature_hex), fromHex(public_key_hex));
    results.add(set, name, verdict(expected.valid), verdict(valid));
  }
}

function attempt(compute: () => string): string {
  try {
    return compute();
  } catch (error) {
    return reasonOf(error);
  }
}
