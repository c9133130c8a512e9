import { MeshError } from '../lib/errors.ts';
import { isHex } from '../lib/hex.ts';
import { blobFinding, checkLayer, type Layer } from './check-layer.ts';
import { bindingOf, decryptContent } from './crypto/encryption.ts';
import { KEY_BYTES } from './envelope.ts';
import { clause, layoutFinding } from './findings.ts';
import { LayoutError } from './layout-error.ts';
import { PATHS } from './paths.ts';
import { sourceOf } from './source.ts';
import type { ArchiveComponents, ByteSource, Finding, Verification, VerifyOptions } from './types.ts';
import { readHashed } from './zip/content.ts';

/**
 * Verifies an archive at L2, or at L3 with a recipient's secret (archive-v0.6 "Verification levels"). Whatever the
 * bytes are, there is a result. Throws only when aborted, for an allowlist entry or a secret that is no key, and
 * `not_a_recipient`.
 */
export async function verifyArchive(
  components: ArchiveComponents,
  input: Uint8Array | ByteSource,
  options: VerifyOptions = {},
): Promise<Verification> {
  return (await verifyLayers(components, input, options)).verification;
}

/**
 * The same, with what was opened: `plain` is the archive itself or, at L3, the inner one, null where neither could be
 * opened; `decryption` the metadata of the encryption at L3.
 */
export async function verifyLayers(
  components: ArchiveComponents,
  input: Uint8Array | ByteSource,
  options: VerifyOptions = {},
) {
  const { recipientSecret: secret } = options;
  const allowlist = new Set(options.allowlist);
  for (const key of allowlist) {
    if (!isHex(key, KEY_BYTES)) throw new TypeError('An allowlist has keys of 64 lowercase hex characters.');
  }
  const outer = await checkLayer(components, sourceOf(input), options, allowlist);
  const encrypted = (outer.envelope?.cipher ?? 'none') !== 'none';
  let plain = encrypted ? null : outer;
  // Nothing is decrypted of what does not hold from outside.
  if (encrypted && secret !== undefined && outer.findings.none) {
    const inner = await decrypted(components, outer, secret);
    if (inner instanceof Uint8Array) {
      plain = await checkLayer(components, sourceOf(inner), options, allowlist, outer);
      compareInner(outer, plain);
    } else outer.findings.add(inner);
  }
  const level = encrypted && secret !== undefined ? 'L3' : 'L2';
  const { readable, findings, warnings, signers, manifest, envelope } = outer;
  const trusted = new Set(signers.filter((signer) => signer.trusted).map((signer) => signer.public_key));
  const notes = [findings.omitted(), warnings.omitted()].filter((note) => note !== null);
  if (outer.container !== null && options.allowlist === undefined)
    notes.push('No allowlist was given: no signer is trusted, whether or not a signature is valid.');
  else if (outer.container !== null && trusted.size === 0)
    notes.push('No valid signature is by a key on the allowlist: nobody is trusted.');
  if (encrypted && secret === undefined)
    notes.push('The content is encrypted: the chain and the files inside were not checked (L2).');
  const verification: Verification = {
    ok: findings.none,
    level,
    readable,
    failing: findings.failing(),
    findings: findings.list,
    warnings: warnings.list,
    notes,
    signers,
    trustedSigners: trusted.size,
    manifest,
    envelope,
    events: plain?.events.map(({ event }) => event) ?? [],
  };
  return { verification, plain, decryption: level === 'L3' ? outer.decryption : null };
}

/** A stranger's key, and what is no key. */
const CALLERS_MISTAKES: ReadonlySet<string> = new Set(['not_a_recipient', 'invalid_request']);

/** The inner archive's bytes, or what is wrong with them; the wrong key is no finding. */
async function decrypted(
  components: ArchiveComponents,
  { container, manifest, envelope, decryption: metadata }: Layer,
  secret: Uint8Array,
): Promise<Uint8Array | Finding> {
  const blob = container?.entries.get(PATHS.blob);
  const hash = envelope?.encrypted_blob_hash ?? null;
  if (!container || !manifest || !envelope || !blob || !metadata || hash === null)
    throw new TypeError('Nothing was found, yet not everything was there.');
  try {
    const ciphertext = await readHashed(components, container, { ...blob, sha256: hash });
    return decryptContent(components, { ...bindingOf(manifest), metadata, secret }, ciphertext);
  } catch (error) {
    if (error instanceof LayoutError) return layoutFinding(error);
    if (!(error instanceof MeshError) || CALLERS_MISTAKES.has(error.code)) throw error;
    return blobFinding(clause(error.message));
  }
}

/** Whether the inner archive is the one that the outer envelope was signed for. */
function compareInner(outer: Layer, inner: Layer): void {
  const [signed, found] = [outer.envelope, inner.envelope];
  if (signed === null || found === null) return;
  const fail = (finding: Finding) => outer.findings.add(finding);
  if (found.cipher !== 'none')
    fail({ area: 'layout', reason: 'invalid_shape', message: 'the inner archive is encrypted again' });
  if (found.capsule_id !== signed.capsule_id)
    fail({ area: 'identity', message: "the inner archive's capsule_id is not the outer one's" });
  for (const anchor of ['first_event_hash', 'entry_hash'] as const) {
    if (found[anchor] !== signed[anchor])
      fail({ area: 'chain', message: `the inner archive's ${anchor} is not the outer one's` });
  }
}
