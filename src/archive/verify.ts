import type { DecryptionMetadata } from '../../protocols/archive/v1/schema.ts';
import { MeshError } from '../lib/errors.ts';
import { isHex } from '../lib/hex.ts';
import { KEY_BYTES } from './envelope.ts';
import { type Examination, examine } from './examine.ts';
import { clause, layoutFinding } from './findings.ts';
import { decryptInner } from './inner.ts';
import { LayoutError } from './layout-error.ts';
import { PATHS } from './paths.ts';
import { bytesSource } from './source.ts';
import type {
  ArchiveComponents,
  ByteSource,
  Container,
  Finding,
  Verification,
  VerifyOptions,
} from './types.ts';
import { readHashed } from './verified-files.ts';
import { openContainer } from './zip/reader.ts';

/** A verification with what it was made of; `plain` is the archive itself or, at L3, the inner one. */
export interface Verified {
  verification: Verification;
  plain: Opened | null;
  /** Of an encrypted archive whose metadata could be read. */
  decryption: DecryptionMetadata | null;
}

interface Opened {
  container: Container;
  examination: Examination;
}
/** One layer, or why there is none. */
type Layer = Opened | { refused: LayoutError };

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
  return (await verifyAll(components, input, options)).verification;
}

/** The same, keeping what was opened. */
export async function verifyAll(
  components: ArchiveComponents,
  input: Uint8Array | ByteSource,
  options: VerifyOptions = {},
): Promise<Verified> {
  const source = input instanceof Uint8Array ? bytesSource(input) : input;
  const outer = await openLayer(components, source, options);
  if ('refused' in outer) return { verification: refusal(outer.refused), plain: null, decryption: null };
  const { examination } = outer;
  const encrypted = (examination.envelope?.value.cipher ?? 'none') !== 'none';
  const result = resultOf(examination, options);
  if (!encrypted) return { verification: result, plain: outer, decryption: null };
  if (options.recipientSecret === undefined) {
    result.notes.push('The content is encrypted: the chain and the files inside were not checked (L2).');
    return { verification: result, plain: null, decryption: null };
  }
  return verifyInner(components, outer, options.recipientSecret, options);
}

/** L3: decrypts, verifies the inner archive as a plain one, and holds it against the outer envelope. */
async function verifyInner(
  components: ArchiveComponents,
  outer: Opened,
  secret: Uint8Array,
  options: VerifyOptions,
): Promise<Verified> {
  const { examination } = outer;
  const end = (plain: Opened | null): Verified => {
    const verification = resultOf(examination, options, 'L3');
    if (plain !== null) verification.events = plain.examination.events.map(({ event }) => event);
    return { verification, plain, decryption: examination.decryption };
  };
  if (!examination.findings.none) return end(null);
  const decrypted = await decrypt(components, outer, secret);
  if ('refused' in decrypted) {
    examination.findings.add(decrypted.refused);
    return end(null);
  }
  const inner = await openLayer(components, bytesSource(decrypted.bytes), options);
  if ('refused' in inner) {
    examination.findings.add(ofInner(layoutFinding(inner.refused)));
    return end(null);
  }
  examination.findings.include(inner.examination.findings, ofInner);
  examination.warnings.include(inner.examination.warnings, ofInner);
  for (const finding of differences(examination, inner.examination)) examination.findings.add(finding);
  return end(inner);
}

async function openLayer(
  components: ArchiveComponents,
  source: ByteSource,
  { limits, allowlist, strict = false, signal }: VerifyOptions,
): Promise<Layer> {
  try {
    const container = await openContainer(components, source, limits);
    const options = { allowlist: allowlistOf(allowlist), strict, signal };
    return { container, examination: await examine(components, container, options) };
  } catch (error) {
    if (error instanceof LayoutError) return { refused: error };
    throw error;
  }
}

function allowlistOf(keys: Iterable<string> = []): Set<string> {
  const list = new Set(keys);
  for (const key of list) {
    if (!isHex(key, KEY_BYTES)) throw new TypeError('An allowlist has keys of 64 lowercase hex characters.');
  }
  return list;
}

/** A stranger's key, and what is no key. */
const CALLERS_MISTAKES: ReadonlySet<string> = new Set(['not_a_recipient', 'invalid_request']);

/** The inner archive's bytes. What is wrong with them is a finding; the wrong key is not. */
async function decrypt(
  components: ArchiveComponents,
  { container, examination }: Opened,
  secret: Uint8Array,
): Promise<{ bytes: Uint8Array } | { refused: Finding }> {
  const { decryption: metadata } = examination;
  const [manifest, envelope] = [examination.manifest?.value, examination.envelope?.value];
  const blob = container.entries.get(PATHS.blob);
  const hash = envelope?.encrypted_blob_hash ?? null;
  if (manifest === undefined || envelope === undefined || blob === undefined || !metadata || hash === null)
    throw new TypeError('Nothing was found, yet not everything was there.');
  try {
    const ciphertext = await readHashed(components, container, blob, hash);
    return { bytes: decryptInner(components, { manifest, envelope, metadata }, secret, ciphertext) };
  } catch (error) {
    if (error instanceof LayoutError) return { refused: layoutFinding(error) };
    if (!(error instanceof MeshError) || CALLERS_MISTAKES.has(error.code)) throw error;
    return { refused: { area: 'encrypted_blob', path: PATHS.blob, message: clause(error.message) } };
  }
}

/** Where the inner archive is not the one that the outer envelope was signed for. */
function differences(outer: Examination, inner: Examination): Finding[] {
  const [signed, found] = [outer.envelope?.value, inner.envelope?.value];
  if (signed === undefined || found === undefined) return [];
  const findings: Finding[] = [];
  if (found.cipher !== 'none')
    findings.push({
      area: 'layout',
      reason: 'invalid_shape',
      message: 'the inner archive is encrypted again',
    });
  if (found.capsule_id !== signed.capsule_id)
    findings.push({ area: 'identity', message: "the inner archive's capsule_id is not the outer one's" });
  for (const anchor of ['first_event_hash', 'entry_hash'] as const) {
    if (found[anchor] !== signed[anchor])
      findings.push({ area: 'chain', message: `the inner archive's ${anchor} is not the outer one's` });
  }
  return findings;
}

const ofInner = (finding: Finding): Finding => ({ ...finding, message: `inner archive: ${finding.message}` });

function resultOf(
  { readable, findings, warnings, signers, manifest, envelope, events }: Examination,
  { allowlist }: VerifyOptions,
  level: 'L2' | 'L3' = 'L2',
): Verification {
  const notes = [findings.omitted(), warnings.omitted()].filter((note) => note !== null);
  const trusted = new Set(signers.filter((signer) => signer.trusted).map((signer) => signer.public_key));
  if (allowlist === undefined)
    notes.push('No allowlist was given: no signer is trusted, whether or not a signature is valid.');
  else if (trusted.size === 0)
    notes.push('No valid signature is by a key on the allowlist: nobody is trusted.');
  return {
    ok: findings.none,
    level,
    readable,
    failing: findings.failing(),
    findings: findings.list,
    warnings: warnings.list,
    notes,
    signers,
    trustedSigners: trusted.size,
    manifest: manifest?.value ?? null,
    envelope: envelope?.value ?? null,
    events: events.map(({ event }) => event),
  };
}

/** For what is no container at all. */
function refusal(error: LayoutError): Verification {
  const finding = layoutFinding(error);
  return {
    ok: false,
    level: 'L2',
    readable: false,
    failing: ['layout'],
    findings: [finding],
    warnings: [],
    notes: [],
    signers: [],
    trustedSigners: 0,
    manifest: null,
    envelope: null,
    events: [],
  };
}
