import { ARCHIVE_VERSION, IdentityAttestation } from '../../../protocols/archive/v1/schema.ts';
import { LIMITS } from '../../../protocols/common/v1/limits.ts';
import type { JsonObject, JsonValue } from '../../../protocols/common/v1/schema.ts';
import { checkOf } from '../../lib/check.ts';
import { MeshError } from '../../lib/errors.ts';
import { fromHex, toHex } from '../../lib/hex.ts';
import { jsonProblem } from '../../lib/json.ts';
import { canonicalBytes, joined } from '../canonical.ts';
import { parseInstant } from '../strict.ts';
import type { ArchiveComponents, ArchiveSigner } from '../types.ts';
import { keysOf, normalizeIssuer, type TrustRoot } from './trust-roots.ts';

export type { JwkRoot, PinnedRoot, TrustRoot } from './trust-roots.ts';

const DOMAIN = `capsule-identity-attestation-v${ARCHIVE_VERSION}\0`;
/** Objects inside each other; a subject is a few flat names. */
const MAX_DEPTH = 16;
const check = checkOf(IdentityAttestation);

/** `attestation_unverified` is "not known", never "no". */
export type AttestationStatus = 'attestation_verified' | 'attestation_unverified' | 'attestation_rejected';

export interface AttestationVerdict {
  status: AttestationStatus;
  /** One sentence. */
  reason: string;
  /** Whom the issuer names; null unless verified. */
  subject: JsonObject | null;
}

/** What the caller knows by itself; none of it is read from the attestation. */
export interface AttestationContext {
  /** 64-hex */
  capsuleId: string;
  /** 64-hex */
  signerPublicKey: string;
  /** Whose attestation it has to be. */
  issuer: string;
  trustRoots: readonly TrustRoot[];
  /** Milliseconds since the epoch. */
  now: number;
}

/** What an issuer signs: everything but the signature (profile `ed25519-jcs`). */
export function attestationInput(attestation: JsonObject): Uint8Array {
  const { signature: _, ...signed } = attestation;
  return joined(DOMAIN, canonicalBytes(signed));
}

/**
 * States as an issuer who a signer of one archive is. `signer` has the issuer's Ed25519 key. Throws `invalid_request`
 * for claims that could never be verified.
 */
export async function signAttestation(
  claims: IdentityAttestation['claims'],
  { issuer, kid, signer }: { issuer: string; kid?: string; signer: Pick<ArchiveSigner, 'sign'> },
): Promise<IdentityAttestation> {
  const unsigned: Omit<IdentityAttestation, 'signature'> = {
    typ: 'capsule-identity-attestation',
    spec_version: ARCHIVE_VERSION,
    alg: 'ed25519-jcs',
    issuer,
    ...(kid !== undefined && { kid }),
    claims,
  };
  const attestation = { ...unsigned, signature: toHex(await signer.sign(attestationInput(unsigned))) };
  const problem = problemOf(attestation) ?? problemOfTimes(attestation.claims, null);
  if (problem !== null) throw new MeshError('invalid_request', `The attestation is of no use: ${problem}.`);
  return attestation;
}

/** Judges an attestation about one signer of one archive, offline. Never throws for what it is given to judge. */
export async function verifyAttestation(
  { crypto }: Pick<ArchiveComponents, 'crypto'>,
  attestation: unknown,
  { capsuleId, signerPublicKey, issuer, trustRoots, now }: AttestationContext,
): Promise<AttestationVerdict> {
  if (!isAttestation(attestation)) return rejected(problemOf(attestation) ?? 'it is malformed');
  const { claims, kid } = attestation;
  if (normalizeIssuer(attestation.issuer) !== normalizeIssuer(issuer))
    return rejected('it is of another issuer than the expected one');
  if (claims.capsule_id !== capsuleId) return rejected('it is about another archive');
  if (claims.signer_public_key !== signerPublicKey) return rejected('it is about another key');
  const problem = problemOfTimes(claims, now);
  if (problem !== null) return rejected(problem);
  const known = keysOf(trustRoots, issuer);
  if (known.length === 0) return unverified('no key of its issuer is known here');
  // Trying them all would let each key of a set sign for the others.
  const named = known.filter((root) => kid === undefined || root.kid === kid);
  const [key, ...others] = new Set(named.map((root) => root.key));
  if (key === undefined || others.length > 0)
    return unverified('its kid stands for no single key of its issuer');
  const signature = fromHex(attestation.signature);
  const valid = await crypto.verify(attestationInput(attestation), signature, fromHex(key));
  if (!valid) return rejected("the signature does not hold under the issuer's key");
  const reason = 'The issuer vouches for who holds this key.';
  return { status: 'attestation_verified', reason, subject: claims.subject };
}

function rejected(problem: string): AttestationVerdict {
  const reason = `The attestation is rejected: ${problem}.`;
  return { status: 'attestation_rejected', reason, subject: null };
}

function unverified(problem: string): AttestationVerdict {
  const reason = `The attestation cannot be judged: ${problem}.`;
  return { status: 'attestation_unverified', reason, subject: null };
}

/** In the shape, with the members that the schema does not name: they are signed too. */
export function isAttestation(value: unknown): value is IdentityAttestation & { [key: string]: JsonValue } {
  return problemOf(value) === null;
}

function problemOf(value: unknown): string | null {
  const found = jsonProblem(value, MAX_DEPTH);
  if (found !== null) return `${found.path === '' ? 'it' : JSON.stringify(found.path)} ${found.problem}`;
  return check.accepts(value) ? null : check.explain(value);
}

/** What is wrong with the times, at `now` or, where that is null, at any time. */
function problemOfTimes(claims: IdentityAttestation['claims'], now: number | null): string | null {
  const expires = parseInstant(claims.expires_at);
  if (expires === null) return 'expires_at is no RFC 3339 time';
  if (now !== null && expires <= now) return 'it has expired';
  if (claims.issued_at === undefined) return null;
  const issued = parseInstant(claims.issued_at);
  if (issued === null) return 'issued_at is no RFC 3339 time';
  return now !== null && issued > now + LIMITS.clockSkewMs ? 'it was issued in the future' : null;
}
