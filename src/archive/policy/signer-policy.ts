import type { SignerPolicy, SignersDocument } from '../../../protocols/archive/v1/schema.ts';
import { MeshError } from '../../lib/errors.ts';
import type { ArchiveComponents, SignerVerdict, Verification } from '../types.ts';
import { type AttestationVerdict, isAttestation, verifyAttestation } from './attestation.ts';
import { type Lifecycle, type Standing, standingOf } from './signer-standing.ts';
import type { TrustRoot } from './trust-roots.ts';

export type { Lifecycle } from './signer-standing.ts';

/** `unknown`: it could be satisfied if something that was not given were there. */
export type PolicyStatus = 'satisfied' | 'unmet' | 'unknown';

export interface PolicyResult {
  status: PolicyStatus;
  requirements: {
    role: string;
    quorum: number;
    /** Distinct keys that count. */
    have: number;
    status: PolicyStatus;
    reasons: string[];
  }[];
  /** `trusted`: on the allowlist, or vouched for by a signers document. */
  signers: (SignerVerdict & {
    lifecycle: Lifecycle;
    /** `none` where no attestation speaks of this key in this role. */
    attestation: AttestationVerdict['status'] | 'none';
    /** Valid, trusted and in its lifecycle; whether it has to be attested is up to each requirement. */
    counts: boolean;
    reasons: string[];
  })[];
}

export interface PolicyOptions {
  policy?: SignerPolicy;
  documents?: readonly SignersDocument[];
  /** As found; each is judged here, for this archive. */
  attestations?: readonly unknown[];
  trustRoots?: readonly TrustRoot[];
  /** Milliseconds since the epoch. */
  now: number;
}

type Requirement = SignerPolicy['required'][number];

interface Judged {
  signer: SignerVerdict;
  standing: Standing;
  /** About this key in this role, the best word first. */
  attestations: readonly AttestationVerdict[];
}

/** Four for each of the signers that an archive may have; each may cost a signature's check. */
export const MAX_ATTESTATIONS = 1_024;

const UNVERIFIED = 'The archive failed verification, so nobody counts as having signed it.';
const WORST_FIRST: readonly PolicyStatus[] = ['unmet', 'unknown'];
const BEST_FIRST: readonly AttestationVerdict['status'][] = [
  'attestation_verified',
  'attestation_unverified',
  'attestation_rejected',
];

/**
 * Whether the signers of an archive are those that a host demands. Pure and offline; changes nothing about
 * what verification found. Counts distinct keys, so a signature that is there twice counts once. Throws `too_large` for
 * more than `MAX_ATTESTATIONS`.
 */
export async function evaluatePolicy(
  components: Pick<ArchiveComponents, 'crypto'>,
  verification: Verification,
  options: PolicyOptions,
): Promise<PolicyResult> {
  const { policy, documents = [], now } = options;
  const { ok, envelope } = verification;
  const attested = await judgedAttestations(components, verification, options);
  const judged: Judged[] = verification.signers.map((signer) => ({
    signer,
    standing: standingOf(signer, envelope, { documents, now }),
    attestations: attested.get(nameOf(signer)) ?? [],
  }));
  const attestationsGiven = options.attestations !== undefined;
  const requirements = (policy?.required ?? []).map((requirement) => {
    if (ok) return judge(requirement, judged, attestationsGiven);
    const { role, quorum = 1 } = requirement;
    return { role, quorum, have: 0, status: 'unmet' as const, reasons: [UNVERIFIED] };
  });
  const worst = WORST_FIRST.find((each) => requirements.some(({ status }) => status === each));
  return {
    status: ok ? (worst ?? 'satisfied') : 'unmet',
    requirements,
    signers: judged.map(({ signer, standing, attestations: [attestation] }) => ({
      ...signer,
      trusted: standing.trusted,
      lifecycle: standing.lifecycle,
      attestation: attestation?.status ?? 'none',
      counts: ok && standing.counts === 'yes',
      reasons: [...standing.reasons, ...(attestation === undefined ? [] : [attestation.reason])],
    })),
  };
}

function judge(
  requirement: Requirement,
  judged: readonly Judged[],
  attestationsGiven: boolean,
): PolicyResult['requirements'][number] {
  const { role, quorum = 1 } = requirement;
  const having = new Set<string>();
  const possible = new Set<string>();
  const reasons = new Set<string>();
  for (const one of judged) {
    const { role: signedAs, public_key: key } = one.signer;
    if (signedAs !== role) continue;
    const { answer, why } = answerFor(requirement, one, attestationsGiven);
    if (answer !== 'never') possible.add(key);
    if (answer === 'yes') having.add(key);
    else for (const reason of why) reasons.add(`${key}: ${reason}`);
  }
  const status = having.size >= quorum ? 'satisfied' : possible.size >= quorum ? 'unknown' : 'unmet';
  const lacking = `${String(having.size)} of ${String(quorum)} keys count in the role ${JSON.stringify(role)}.`;
  const shown = status === 'satisfied' ? [] : [lacking, ...reasons];
  return { role, quorum, have: having.size, status, reasons: shown };
}

function answerFor(
  { org_role: orgRole, attested = false }: Requirement,
  { standing, attestations }: Judged,
  attestationsGiven: boolean,
): { answer: Standing['counts']; why: string[] } {
  if (standing.counts === 'never' || !(attested || orgRole !== undefined))
    return { answer: standing.counts, why: standing.reasons };
  const [best] = attestations;
  if (best === undefined)
    return attestationsGiven
      ? { answer: 'never', why: ['None of the attestations given is about this key in this role.'] }
      : { answer: 'missing', why: ['No attestation was given.'] };
  const fits = ({ status, subject }: AttestationVerdict): boolean =>
    status === 'attestation_verified' && (orgRole === undefined || subject?.org_role === orgRole);
  if (attestations.some(fits)) return { answer: standing.counts, why: standing.reasons };
  const unjudged = attestations.find(({ status }) => status === 'attestation_unverified');
  if (unjudged !== undefined) return { answer: 'missing', why: [unjudged.reason] };
  const otherwise = `The attested subject has not the org_role ${JSON.stringify(orgRole)}.`;
  return { answer: 'never', why: [best.status === 'attestation_verified' ? otherwise : best.reason] };
}

const nameOf = ({ public_key: key, role }: Pick<SignerVerdict, 'public_key' | 'role'>): string =>
  `${key} ${role}`;

/**
 * The attestations about each signer, the best word first, each judged once. Worthless ones that somebody laid beside a
 * good one do not take it away. Whoever an attestation names as its issuer, only a key that the host pinned for that
 * name can verify it: who may attest is the host's decision.
 */
async function judgedAttestations(
  components: Pick<ArchiveComponents, 'crypto'>,
  { envelope, signers }: Verification,
  { attestations = [], trustRoots = [], now }: PolicyOptions,
): Promise<ReadonlyMap<string, AttestationVerdict[]>> {
  if (attestations.length > MAX_ATTESTATIONS)
    throw new MeshError('too_large', `At most ${String(MAX_ATTESTATIONS)} attestations are judged at once.`);
  const verdicts = new Map<string, AttestationVerdict[]>(signers.map((signer) => [nameOf(signer), []]));
  if (envelope === null) return verdicts;
  for (const attestation of attestations) {
    if (!isAttestation(attestation)) continue;
    const { signer_public_key: signerPublicKey, signer_role: role } = attestation.claims;
    const about = verdicts.get(nameOf({ public_key: signerPublicKey, role }));
    if (about === undefined) continue;
    const { issuer } = attestation;
    const context = { capsuleId: envelope.capsule_id, signerPublicKey, issuer, trustRoots, now };
    about.push(await verifyAttestation(components, attestation, context));
  }
  for (const about of verdicts.values())
    about.sort((a, b) => BEST_FIRST.indexOf(a.status) - BEST_FIRST.indexOf(b.status));
  return verdicts;
}
