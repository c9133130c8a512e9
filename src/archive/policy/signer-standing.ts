import type { Envelope, SignersDocument } from '../../../protocols/archive/v1/schema.ts';
import { LIMITS } from '../../../protocols/common/v1/limits.ts';
import { parseInstant } from '../strict.ts';
import type { SignerVerdict } from '../types.ts';

/** `unknown`: no document was given. `not_listed`: none of those given has the key. */
export type Lifecycle = 'active' | 'retired' | 'revoked' | 'not_listed' | 'unknown';
type ListedKey = SignersDocument['keys'][number];

/** What the given documents and the allowlist say of one signer. */
export interface Standing {
  lifecycle: Lifecycle;
  /** On the allowlist, or vouched for by a document. */
  trusted: boolean;
  /** `never`: something speaks against it; `missing`: nothing is known that speaks for it. */
  counts: 'yes' | 'never' | 'missing';
  /** Sentences. */
  reasons: string[];
}

const SELF_ATTESTED = "signed_at is the signer's own word: the archive has no outside evidence of time.";
const NOBODY_ASKED = 'The key is not on the allowlist, and no signers document was given.';
const NOT_LISTED = 'The key is neither on the allowlist nor in a signers document.';
const WORST_FIRST: readonly Lifecycle[] = ['revoked', 'retired', 'active'];

/**
 * Whether a signer counts. Where documents disagree about a key the worst word holds: revoked in one is revoked, and a
 * role that one of them withholds is withheld.
 */
export function standingOf(
  signer: SignerVerdict,
  envelope: Envelope | null,
  { documents, now }: { documents: readonly SignersDocument[]; now: number },
): Standing {
  const listings = documents.flatMap(({ issuer, keys }) =>
    keys.filter((key) => key.public_key === signer.public_key).map((key) => ({ issuer, key })),
  );
  const statuses = listings.map(({ key }) => key.status);
  const lifecycle =
    WORST_FIRST.find((status) => statuses.some((listed) => listed === status)) ??
    (documents.length === 0 ? 'unknown' : 'not_listed');
  const against: string[] = [];
  const reasons: string[] = [];
  if (!signer.valid) against.push('The signature is not valid.');
  const signedAt = parseInstant(envelope?.signed_at ?? '');
  for (const { issuer, key } of listings) {
    const objection = objectionTo(key, signer.role, { signedAt, now });
    if (objection !== null) against.push(`${issuer} ${objection}.`);
    else if (hasWindow(key)) reasons.push(SELF_ATTESTED);
  }
  const trusted = signer.trusted || (signer.valid && listings.length > 0 && against.length === 0);
  if (against.length > 0) return { lifecycle, trusted, counts: 'never', reasons: against };
  if (trusted) {
    const why = signer.trusted ? 'The key is on the allowlist.' : 'A signers document vouches for the key.';
    return { lifecycle, trusted, counts: 'yes', reasons: [...new Set([why, ...reasons])] };
  }
  return lifecycle === 'unknown'
    ? { lifecycle, trusted, counts: 'missing', reasons: [NOBODY_ASKED] }
    : { lifecycle, trusted, counts: 'never', reasons: [NOT_LISTED] };
}

const hasWindow = ({ status, not_before: from, not_after: until }: ListedKey): boolean =>
  status === 'retired' || typeof from === 'string' || typeof until === 'string';

/** A clause about why this listing speaks against the signer; null where it speaks for it. */
function objectionTo(
  key: ListedKey,
  role: string,
  { signedAt, now }: { signedAt: number | null; now: number },
): string | null {
  if (key.status === 'revoked') return 'has revoked the key';
  if (!key.roles.includes(role)) return `does not list the key for the role ${JSON.stringify(role)}`;
  if (!hasWindow(key)) return null;
  // Without an end nobody can say that an archive was sealed before the key was retired.
  if (key.status === 'retired' && typeof key.not_after !== 'string')
    return 'has retired the key and does not say when';
  if (signedAt === null) return 'limits the validity of the key, and signed_at is no time';
  if (signedAt > now + LIMITS.clockSkewMs)
    return 'limits the validity of the key, and signed_at is in the future';
  const from = typeof key.not_before === 'string' ? parseInstant(key.not_before) : Number.NEGATIVE_INFINITY;
  const until = typeof key.not_after === 'string' ? parseInstant(key.not_after) : Number.POSITIVE_INFINITY;
  if (from === null || until === null) return 'gives the key a validity that is no time';
  return signedAt < from || signedAt > until ? 'does not list the key as valid at signed_at' : null;
}
