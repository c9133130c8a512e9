import type { JsonObject, JsonValue } from '../../protocols/common/v1/schema.ts';
import type { Area, Finding, Verification } from './types.ts';

/**
 * A verification as scripts read it: the field names of the reference command (archive-v0.6 "Command line"), and one
 * member for each area that it does not have. `errors` is everything that was found, each with its area.
 */
export function verificationReport(verification: Verification): JsonObject {
  const { ok, level, readable, manifest, envelope, signers, findings, warnings, notes } = verification;
  const failing = (name: Area) => verification.failing.includes(name);
  // What was not looked at is not well: without a manifest that could be used nothing else was.
  const area = (name: Area, told: (finding: Finding) => JsonValue = messageOf) => ({
    ok: manifest !== null && !failing(name),
    errors: findings.filter((finding) => finding.area === name).map(told),
  });
  const layout = area('layout', ({ reason = null, path = null, message }) => ({ reason, path, message }));
  return {
    ok,
    level,
    readable,
    capsule_id: manifest?.id ?? null,
    signed_at: envelope?.signed_at ?? null,
    failing: verification.failing,
    errors: findings.map((finding) => `${finding.area}: ${messageOf(finding)}`),
    layout: { ...layout, ok: !failing('layout') },
    identity: area('identity'),
    content_index: area('content_index'),
    chain: area('chain', ({ seq = null, message }) => ({ seq, message })),
    envelope: { ...area('envelope'), signers: signers.map((signer) => ({ ...signer })) },
    encrypted_blob: area('encrypted_blob'),
    warnings: warnings.map((finding) => `${finding.area}: ${messageOf(finding)}`),
    notes,
    trusted_signer_count: verification.trustedSigners,
  };
}

/** `event 3: …` where it is about an event. */
export const messageOf = ({ seq, message }: Finding): string =>
  seq === undefined ? message : `event ${String(seq)}: ${message}`;
