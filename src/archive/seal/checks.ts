import { MAX_SIGNERS, Participant } from '../../../protocols/archive/v1/schema.ts';
import { checkOf } from '../../lib/check.ts';
import { isWeakPublicKey } from '../../lib/crypto.ts';
import { MeshError } from '../../lib/errors.ts';
import { fromHex, isHex } from '../../lib/hex.ts';
import { describeProblem, jsonProblem } from '../../lib/json.ts';
import { findUnsafeInteger } from '../../lib/json-numbers.ts';
import { KEY_BYTES, ORIGINATOR } from '../envelope.ts';
import { quoted } from '../findings.ts';
import { isActor, isTimestamp } from '../strict.ts';
import type { ArchiveSigner, SealOptions } from '../types.ts';

/* Nothing is written that a reader would not take. */

/** Objects inside each other in any document of an archive; what readers take. */
export const MAX_JSON_DEPTH = 64;
/** Above a participant in the manifest: the manifest and the list. */
const MANIFEST_LEVELS = 2;
/** A role is part of what is signed, ended by a zero byte. */
const ROLE = /^\P{Cc}{1,128}$/u;

const participantCheck = checkOf(Participant);

export const invalid = (message: string) => new MeshError('invalid_request', message);

/** Throws `too_large` for what readers refuse by their own limits. */
export function demandAtMost(limit: number, count: number, what: string): void {
  if (count > limit)
    throw new MeshError('too_large', `There may be ${String(limit)} ${what}, not ${String(count)}.`);
}

/**
 * Throws `invalid_request` for what is not I-JSON of bounded depth, and for integers that a double does not hold
 * exactly: readers that have larger ones would hash another number (RFC 7493, 2.2).
 */
export function demandJson(subject: string, value: unknown, depth: number): void {
  const found = jsonProblem(value, depth);
  if (found !== null) throw invalid(describeProblem(subject, found));
  const inexact = findUnsafeInteger(value);
  if (inexact !== null)
    throw invalid(`${subject} has the integer ${String(inexact)}, which not every reader knows exactly.`);
}

/**
 * Participants of a draft: at least one, each with an actor id `human:…`, `ai:…`, `system:…` or `capsule:…`, none
 * twice. Throws `invalid_request`.
 */
export function demandParticipants(participants: readonly Participant[]): void {
  if (participants.length === 0) throw invalid('An archive has at least one participant.');
  const seen = new Set<string>();
  for (const [index, participant] of participants.entries()) {
    const subject = `Participant ${String(index + 1)}`;
    demandJson(subject, participant, MAX_JSON_DEPTH - MANIFEST_LEVELS);
    if (!participantCheck.accepts(participant))
      throw invalid(`${subject} is malformed: ${participantCheck.explain(participant)}.`);
    const { actor_id: actor } = participant;
    if (!isActor(actor))
      throw invalid(`The actor id ${quoted(actor)} is not human:…, ai:…, system:… or capsule:….`);
    if (seen.has(actor)) throw invalid(`The participant ${quoted(actor)} is there twice.`);
    seen.add(actor);
  }
}

/** Throws `invalid_request` for signers or a time that give no archive. */
export function demandSealOptions({ signers, sealedAt }: SealOptions): void {
  if (!isTimestamp(sealedAt))
    throw invalid(`The sealing time ${quoted(sealedAt)} is not like 2026-05-07T12:00:00Z.`);
  const seen = new Set<string>();
  for (const { role, publicKey } of signers) {
    if (!role.isWellFormed() || !ROLE.test(role))
      throw invalid(`The signer role ${quoted(role)} is not allowed.`);
    if (!isHex(publicKey, KEY_BYTES) || isWeakPublicKey(fromHex(publicKey)))
      throw invalid(`The signer key ${quoted(publicKey)} is no Ed25519 key of 64 lowercase hex characters.`);
    if (seen.has(`${publicKey} ${role}`)) throw invalid(`${publicKey} signs twice as ${quoted(role)}.`);
    seen.add(`${publicKey} ${role}`);
  }
  if (signers.length > MAX_SIGNERS)
    throw invalid(`There may be ${String(MAX_SIGNERS)} signers, not ${String(signers.length)}.`);
  originatorOf(signers);
}

/** Whose archive it is: `preferred` where it is among the signers as originator, else the first who is. Throws as above. */
export function originatorOf(signers: readonly ArchiveSigner[], preferred?: string): string {
  const keys = signers.filter(({ role }) => role === ORIGINATOR).map(({ publicKey }) => publicKey);
  const [first] = keys;
  if (first === undefined) throw invalid(`One of the signers has to have the role ${ORIGINATOR}.`);
  return preferred !== undefined && keys.includes(preferred) ? preferred : first;
}
